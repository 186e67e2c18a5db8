/* SPDX-License-Identifier: MPL-2.0 */
/* From csp_go to the first value of the new process. Decision: the child's end and its reaping are outside of the
 * clock; the median of many starts counts. */
#include "bench.h"
#include "csp.h"

enum { MOST = 4096 };

static csp_chan values;

static int child(void *arg)
{
    (void)arg;
    return csp_send(values, "value", 5, CSP_FOREVER) != 0;
}

int main(void)
{
    static double took[MOST];
    char value[8];
    must_csp((values = csp_make(1)) != 0, "make");
    size_t n = 0;
    for (double until = seconds() + seconds_to_measure(); n == 0 || (n < MOST && seconds() < until); n++) {
        double begin = seconds();
        csp_proc p = csp_go(child, NULL);
        must_csp(p >= 0, "go");
        must_csp(csp_recv(values, value, sizeof value, CSP_FOREVER) == 5, "receive");
        took[n] = (seconds() - begin) * 1e6;
        must_csp(csp_wait(p, NULL, CSP_FOREVER) == 0, "wait");
    }
    print_figure("us", quantile(took, n, 0.5));
    print_figure("values", (double)n);
    must_csp(csp_term() == 0, "term");
    return 0;
}
