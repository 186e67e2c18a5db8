# Everything built goes to $(BUILD).  A component is a directory: adding a source file to it is all that is needed.
#
#   make            the library, the broker, the workers and cspctl
#   make run        all set-up, then the word count of config/wordcount.yaml on real text
#   make test       all set-up, then every test
#   make programs   those of tests/programs, to be run by hand in full size: their heads say how
#   make lint       clang-format, clang-tidy, cppcheck, and that documents, code and models use the same names
#   make sanitize   the tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make bench      every figure beside what it is compared with: build/bench.jsonl, build/bench.svg; FIGURES='pair select'
#   make bench-quick  the same in less than a minute; bench-cost: system calls and context switches a value
#   make fuzz       each fuzz target for FUZZ_TIME=60 seconds
#   make soak       a pipeline of eight processes under random kills, stops, restarts and scales, SOAK_TIME=600 (seconds) SEED=
#   make storm      the kill storm: random processes of the programs of tests/programs are killed, KILLS=500 SEED=
#   make faults     every call for memory, descriptors, processes, files fails once in turn, under sanitizers
#   make acceptance  100,000 jobs through four replicas of which one is killed every 100 ms: JOBS= RUNS=
#   make model      the model of the protocol, checked by spin
#   make install    PREFIX=/usr/local, DESTDIR=
MAKEFLAGS += --no-builtin-rules
BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=

# V=1 shows whole commands.
V ?=
Q   := $(if $(V),,@)
say  = $(if $(V),,@echo '  $(1)')

VERSION := 0.1.0
SOMAJOR := 0

CC       ?= cc
CSTD     := -std=c11 -D_GNU_SOURCE
WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2
OPT      ?= -O2 -g
SAN      ?=
CFLAGS   ?=
INCLUDES := -Ilibipc
LIBEXECDIR := $(PREFIX)/libexec/csp

ALL_CFLAGS = $(CSTD) $(WARN) $(OPT) $(SAN) -fPIC -fvisibility=hidden -pthread -MMD -MP $(INCLUDES) \
             -DCSP_VERSION='"$(VERSION)"' $(CFLAGS)
LINK = $(CC) $(OPT) $(SAN) -pthread -Wl,--as-needed $(LDFLAGS)

IPC_LIBS    := -lzmq
BROKER_LIBS := -lzmq -lsqlite3
CTL_LIBS    := -lczmq -lyaml -ljansson -lzmq -ldw -lelf
EXEC_LIBS   := -ljansson
SEARCH_LIBS := -lsqlite3 -ljansson -lm
CHECK_LIBS  := -lcheck -lsubunit -lrt -lm

comma := ,
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))

LIB_OBJ    := $(call objects,libipc)
BROKER_OBJ := $(call objects,broker)
CTL_OBJ    := $(call objects,cspctl) $(BUILD)/obj/workers/exec/spotter.o
# A worker is a file workers/NAME.c, or a directory workers/NAME/ of several.
WORKER_NAMES := $(sort $(patsubst workers/%.c,%,$(wildcard workers/*.c)) $(patsubst workers/%/,%,$(wildcard workers/*/)))
LIBEXEC := $(BUILD)/libexec/csp
WORKERS := $(addprefix $(LIBEXEC)/,$(WORKER_NAMES))

.PHONY: all run test lint sanitize model install uninstall clean setup libipc broker workers cspctl corpus
.DELETE_ON_ERROR:

all: libipc broker workers cspctl corpus
libipc: $(BUILD)/libipc.a $(BUILD)/libipc.so
broker: $(LIBEXEC)/broker
workers: $(WORKERS)
cspctl: $(BUILD)/cspctl
# Something to search, so that config/search.yaml runs as it stands: the files of this machine's own packages.
corpus: build/corpus/media.db
build/corpus/media.db: | $(BUILD)/cspctl $(WORKERS) $(LIBEXEC)/broker
	@scripts/corpus --local -o build/corpus || echo 'no index for config/search.yaml: see scripts/corpus --help'

setup:
	@scripts/setup

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Where a program that stands elsewhere finds the broker and the workers; rebuilt when PREFIX changes.
$(BUILD)/obj/libipc/programs.o: ALL_CFLAGS += -DCSP_LIBEXECDIR='"$(LIBEXECDIR)"'
$(BUILD)/obj/libipc/programs.o: $(BUILD)/prefix
$(BUILD)/prefix: force
	@mkdir -p $(@D)
	@echo '$(LIBEXECDIR)' | cmp -s - $@ || echo '$(LIBEXECDIR)' > $@
.PHONY: force
force:

$(BUILD)/libipc.a: $(LIB_OBJ)
	$(call say,AR $@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/libipc.so.$(VERSION): $(LIB_OBJ) libipc/libipc.map
	$(call say,LD $@)
	$(Q)$(LINK) -shared -Wl,-soname,libipc.so.$(SOMAJOR) -Wl,--version-script=libipc/libipc.map -Wl,-z,defs -Wl,-z,nodelete \
	    -o $@ $(filter %.o,$^) $(IPC_LIBS)
$(BUILD)/libipc.so: $(BUILD)/libipc.so.$(VERSION)
	$(Q)ln -sf libipc.so.$(VERSION) $(BUILD)/libipc.so.$(SOMAJOR)
	$(Q)ln -sf libipc.so.$(SOMAJOR) $@

$(LIBEXEC)/broker: $(BROKER_OBJ) $(BUILD)/libipc.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^ $(BROKER_LIBS)
$(BUILD)/cspctl: $(CTL_OBJ) $(BUILD)/libipc.a
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^ $(CTL_LIBS)

LIBS_OF_search := SEARCH
LIBS_OF_exec := EXEC
define worker_rule
$(LIBEXEC)/$(1): $(call objects,workers/$(1)) $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard workers/$(1).c)) $(BUILD)/libipc.a
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(LINK) -o $$@ $$^ $$($(2)_LIBS) $(IPC_LIBS)
endef
$(foreach w,$(WORKER_NAMES),$(eval $(call worker_rule,$(w),$(or $(LIBS_OF_$(w)),NO))))

# ---- tests: each tests/unit/test_NAME.c and tests/e2e/test_NAME.c is a program that runs NAME_suite ----
TEST_SUPPORT := $(BUILD)/obj/tests/leftover.o $(BUILD)/obj/tests/standing.o $(BUILD)/obj/tests/e2e/harness.o
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
E2E_TESTS    := $(patsubst tests/e2e/%.c,$(BUILD)/tests/e2e_%,$(wildcard tests/e2e/test_*.c))
TESTS        ?= $(UNIT_TESTS) $(E2E_TESTS) $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz_%)
FUZZ_TARGETS := broker line pipeline records replay snapshot
# Whose objects a unit test links beside libipc's: a test that is not listed needs no more.
NEEDS_search  := $(BUILD)/tests/search.a
NEEDS_records := $(BUILD)/tests/exec.a
NEEDS_bridge  := $(BUILD)/tests/exec.a
NEEDS_batch   := $(BUILD)/tests/exec.a
NEEDS_joblog  := $(BUILD)/tests/exec.a
NEEDS_gather  := $(BUILD)/tests/cspctl.a
NEEDS_log     := $(BUILD)/tests/cspctl.a
NEEDS_pipeline := $(BUILD)/tests/cspctl.a
NEEDS_definition := $(BUILD)/tests/cspctl.a
NEEDS_result  := $(BUILD)/tests/cspctl.a
NEEDS_restart := $(BUILD)/tests/cspctl.a
NEEDS_place   := $(BUILD)/tests/cspctl.a
NEEDS_snapshot := $(BUILD)/tests/cspctl.a
SPEAKER       := $(BUILD)/obj/tests/speaker.o
STUCK         := $(BUILD)/obj/tests/stuck.o $(SPEAKER)
NEEDS_broker  := $(SPEAKER)
NEEDS_security := $(SPEAKER)
NEEDS_offers  := $(SPEAKER)
NEEDS_streams := $(SPEAKER)
NEEDS_pairs_broker := $(STUCK)
NEEDS_endings := $(SPEAKER)
NEEDS_frames  := $(SPEAKER)
NEEDS_record  := $(SPEAKER)
NEEDS_leases  := $(SPEAKER)
NEEDS_dead_letters := $(SPEAKER)
NEEDS_staged  := $(SPEAKER)
NEEDS_ordered := $(SPEAKER)
NEEDS_idle    := $(SPEAKER)
NEEDS_overflow := $(SPEAKER)
NEEDS_oracle  := $(BUILD)/obj/tests/storm/oracle.o
NEEDS_dump    := $(SPEAKER)
NEEDS_scopes  := $(SPEAKER)
NEEDS_successor := $(SPEAKER)
NEEDS_sentences := $(SPEAKER)
NEEDS_store   := $(BUILD)/obj/broker/store.o $(BUILD)/obj/broker/store_disk.o
NEEDS_durable := $(SPEAKER)
NEEDS_timers  := $(BUILD)/obj/broker/timer.o
NEEDS_deadlock := $(STUCK)
NEEDS_deadlock_leases := $(STUCK)
NEEDS_reporter := $(SPEAKER)
# What the programs of tests/programs share.
PROGRAM_PARTS := $(patsubst %,$(BUILD)/obj/tests/programs/%.o,journal verdict ends number map waiting rational demand series)
NEEDS_verdict := $(PROGRAM_PARTS)
PARTS := $(patsubst %,$(BUILD)/tests/%.a,cspctl exec search broker)
TEST_LINK = $(LINK) -Wl,--wrap=tcase_create,--wrap=_tcase_add_test -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
            $(CHECK_LIBS) $(CTL_LIBS) $(SEARCH_LIBS)

$(BUILD)/tests/cspctl.a: $(filter-out %/main.o,$(CTL_OBJ))
$(BUILD)/tests/exec.a: $(filter-out %/main.o,$(call objects,workers/exec))
$(BUILD)/tests/search.a: $(filter-out %/main.o,$(call objects,workers/search))
$(PARTS):
	@mkdir -p $(@D)
	$(call say,AR $@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/runner/%.o: INCLUDES += -Itests
$(BUILD)/obj/tests/%.o: INCLUDES += -Itests -Icspctl -Iworkers/exec -Iworkers/search
$(BUILD)/obj/runner/%.o: tests/runner.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DSUITE=$*_suite -c -o $@ $<
.SECONDEXPANSION:
$(UNIT_TESTS): $(BUILD)/tests/test_%: $(BUILD)/obj/tests/unit/test_%.o $(BUILD)/obj/runner/%.o $(TEST_SUPPORT) $$(NEEDS_$$*) $(BUILD)/libipc.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(TEST_LINK)
$(E2E_TESTS): $(BUILD)/tests/e2e_test_%: $(BUILD)/obj/tests/e2e/test_%.o $(BUILD)/obj/runner/%.o $(TEST_SUPPORT)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(TEST_LINK)

# The programs that prove it: tests/programs/NAME.c is a program, but for the parts that they share.
PROGRAMS := $(patsubst $(BUILD)/obj/%.o,$(BUILD)/%,$(filter-out $(PROGRAM_PARTS),$(call objects,tests/programs)))
$(PROGRAMS): $(BUILD)/tests/programs/%: $(BUILD)/obj/tests/programs/%.o $(PROGRAM_PARTS) $(BUILD)/libipc.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^ $(IPC_LIBS)

# The kill storm, which kills random processes of those programs: make storm KILLS=500 SEED=...
STORM := $(BUILD)/tests/storm
$(STORM): $(call objects,tests/storm)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^
KILLS ?= 500
SEED  ?=
storm: setup
	@$(MAKE) --no-print-directory -j2 all programs $(STORM)
	@$(STORM) $(KILLS) $(SEED)
.PHONY: storm

# Fuzz targets: tests/fuzz/NAME.c with FUZZ_NAME beside it. The same objects are a test that replays its corpus.
FUZZ_TESTS   := $(patsubst %,$(BUILD)/tests/fuzz_%,$(FUZZ_TARGETS))
fuzz_parts    = $(patsubst %,$(BUILD)/obj/tests/fuzz/%.o,$(1) fail $(FUZZ_$(1)))
fuzz_wraps    = $(patsubst %,-Wl$(comma)--wrap=%,$(WRAP_$(1)))
FUZZ_broker  := course disk frames sane world
FUZZ_ARCHIVE_broker := $(BUILD)/tests/broker.a
WRAP_broker  := syscall close epoll_ctl epoll_wait kill getpgid threads_are_more csp_now poll getrandom csp__socket_receive \
                csp__socket_send csp__socket_is_quiet csp__socket_widen zmq_msg_more zmq_msg_gets zmq_msg_get page_open \
                page_close page_make page_free unlink
FUZZ_replay  := $(FUZZ_broker)
FUZZ_ARCHIVE_replay := $(BUILD)/tests/broker.a
WRAP_replay  := $(WRAP_broker) open fopen write nanosleep
FUZZ_ARCHIVE_pipeline := $(BUILD)/tests/cspctl.a
FUZZ_ARCHIVE_records  := $(BUILD)/tests/exec.a
FUZZ_ARCHIVE_snapshot := $(BUILD)/tests/cspctl.a
WRAP_snapshot := places_find
FUZZ_line    := caller
WRAP_line    := csp_now poll ppoll pthread_create csp__line csp__socket_adopt csp__socket_receive csp__socket_send \
                csp__socket_is_quiet csp__socket_widen zmq_socket zmq_close zmq_ctx_term zmq_setsockopt zmq_getsockopt \
                zmq_connect zmq_bind zmq_poll open close posix_fallocate mmap munmap unlink csp__descriptors_left
$(BUILD)/tests/broker.a: $(filter-out %/main.o %/accept.o %/store.o %/store_disk.o,$(BROKER_OBJ))
define fuzz_rule
$(BUILD)/tests/fuzz_$(1): $(BUILD)/obj/tests/fuzz/corpus_$(1).o $(BUILD)/obj/runner/fuzz.o $(TEST_SUPPORT)
$(BUILD)/fuzz_$(1): LDFLAGS += -fsanitize=fuzzer
$(BUILD)/tests/fuzz_$(1) $(BUILD)/fuzz_$(1): LDFLAGS += $$(call fuzz_wraps,$(1))
$(BUILD)/tests/fuzz_$(1) $(BUILD)/fuzz_$(1): $$(call fuzz_parts,$(1)) $$(FUZZ_ARCHIVE_$(1)) $(BUILD)/libipc.a
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(if $$(filter $(BUILD)/tests/%,$$@),$$(TEST_LINK),$$(LINK) -o $$@ $$(filter %.o,$$^) -Wl$(comma)--start-group $$(filter %.a,$$^) \
	    -Wl$(comma)--end-group $$(CTL_LIBS) $$(SEARCH_LIBS))
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(t))))
$(BUILD)/obj/tests/fuzz/%.o: INCLUDES += -I.
# What a target checks and what it stands on is not what is to be covered.
$(patsubst %,$(BUILD)/obj/tests/fuzz/%.o,sane world disk caller fail): SAN := $(subst fuzzer-no-link$(comma),,$(SAN))
$(BUILD)/obj/tests/fuzz/corpus_%.o: tests/fuzz/corpus.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DTARGET='"$*"' -c -o $@ $<

# Each target for FUZZ_TIME seconds: make fuzz FUZZ_TIME=600 FUZZ='broker line'
FUZZ ?= $(FUZZ_TARGETS)
FUZZ_TIME ?= 60
fuzz: export BUILD := build/fuzz
fuzz: export CC := clang
fuzz: export OPT := -O2 -g
fuzz: export SAN := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz: export CFLAGS := -fno-omit-frame-pointer -Wno-missing-field-initializers
fuzz:
	@scripts/setup fuzz
	@$(MAKE) --no-print-directory -j2 $(FUZZ:%=build/fuzz/fuzz_%)
	@scripts/fuzz $(FUZZ_TIME) $(FUZZ)
.PHONY: fuzz
# The soak: a pipeline that loses nothing while its processes are killed, stopped, restarted and scaled.
SOAK := $(BUILD)/tests/soak
$(SOAK): $(call objects,tests/soak) $(BUILD)/obj/tests/storm/victims.o $(BUILD)/libipc.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^ $(IPC_LIBS)
SOAK_TIME ?= 600
soak: setup
	@$(MAKE) --no-print-directory -j2 all $(SOAK)
	@$(SOAK) run $(SOAK_TIME) $(SEED)
.PHONY: soak

# Faults: libipc, the broker and the bridge once more, with the calls that can be refused led through the one seam,
# tests/faults/seam.c, by the linker's tools: make faults EVERY=1 SCENARIOS='paired streamed'
FAULTS := $(BUILD)/faults
$(FAULTS)/seam.names: tests/faults/seam.c
	@mkdir -p $(@D)
	$(Q)sed -nE 's/^(CALL|VARIES)\([^,]*, ([a-z_0-9]+),.*/\2 seam_\2/p; s/^ANSWERS\(([a-z_0-9]+),.*/\1 seam_\1/p' $< > $@
$(FAULTS)/libipc.a: $(BUILD)/libipc.a $(FAULTS)/seam.names
	$(Q)objcopy --redefine-syms=$(FAULTS)/seam.names $< $@
$(FAULTS)/broker.a: $(BROKER_OBJ)
$(FAULTS)/exec.a: $(call objects,workers/exec)
$(FAULTS)/broker.a $(FAULTS)/exec.a: $(FAULTS)/%.a: $(FAULTS)/seam.names
	$(Q)rm -f $@ $@.plain && ar rcs $@.plain $(filter %.o,$^) && objcopy --redefine-syms=$< $@.plain $@ && rm $@.plain
SEAM := $(patsubst %,$(BUILD)/obj/tests/faults/%.o,seam below)
$(FAULTS)/broker $(FAULTS)/exec: $(FAULTS)/%: $(FAULTS)/%.a $(SEAM) $(FAULTS)/libipc.a
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ -Wl,--whole-archive $< -Wl,--no-whole-archive $(SEAM) $(FAULTS)/libipc.a $(BROKER_LIBS) $(EXEC_LIBS)
$(FAULTS)/scenario: $(patsubst %,$(BUILD)/obj/tests/faults/%.o,scenario scenarios durable) $(SEAM) $(FAULTS)/libipc.a
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^ $(BROKER_LIBS)
$(FAULTS)/faults: $(BUILD)/obj/tests/faults/faults.o
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^
$(FAULTS)/unleaked:
	@mkdir -p $(@D)
	$(Q)echo leak:libzmq > $@
FAULT_PROGRAMS := $(addprefix $(FAULTS)/,faults scenario broker exec unleaked)
fault-programs: $(FAULT_PROGRAMS)
.PHONY: fault-programs
$(BUILD)/tests/e2e_test_faults: | $(FAULT_PROGRAMS)

# Under AddressSanitizer, what forks beside libzmq's threads does it by tests/alone.c.
ifneq ($(findstring address,$(SAN)),)
FORKING := $(BUILD)/libipc.so.$(VERSION) $(WORKERS) $(UNIT_TESTS) $(PROGRAMS) $(FAULTS)/scenario
$(FORKING): $(BUILD)/obj/tests/alone.o
$(FORKING): LDFLAGS += -Wl,--wrap=fork
endif

# Nothing lost under kills: make acceptance JOBS=100000 RUNS=5000
JOBS ?= 100000
RUNS ?= 5000
acceptance: setup
	@$(MAKE) --no-print-directory -j2 all
	@BUILD=$(BUILD) scripts/acceptance $(JOBS) $(RUNS)
.PHONY: acceptance

# Benchmarks: tests/bench/NAME.c is a program, but for the parts that they share; tests/bench/figures says what is run.
BENCH       := $(BUILD)/bench
BENCH_PARTS := bench flow trips sockets private keeping
BENCHES     := $(filter-out $(addprefix $(BENCH)/,$(BENCH_PARTS)),$(patsubst tests/bench/%.c,$(BENCH)/%,$(wildcard tests/bench/*.c)))
NNG         := $(wildcard /usr/include/nng/nng.h)
BENCHES     := $(if $(NNG),$(BENCHES),$(filter-out $(BENCH)/nng-%,$(BENCHES)))
LMDB        := $(wildcard /usr/include/lmdb.h)
BENCHES     := $(if $(LMDB),$(BENCHES),$(filter-out $(BENCH)/lmdb-%,$(BENCHES)))
$(BENCHES): $(BENCH)/%: $(BUILD)/obj/tests/bench/%.o $(patsubst %,$(BUILD)/obj/tests/bench/%.o,$(BENCH_PARTS)) $(BUILD)/libipc.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(LINK) -o $@ $^ $(if $(filter nng-%,$*),-lnng) \
	    $(if $(filter lmdb-%,$*),-llmdb) $(if $(filter sqlite-%,$*),-lsqlite3) $(IPC_LIBS)
benches: $(BENCHES)
FIGURES ?=
bench bench-quick:
	@scripts/setup bench
	@$(MAKE) --no-print-directory -j2 all benches
	@scripts/bench $(patsubst bench%,-%,$(@:bench=)) $(FIGURES)
bench-cost:
	@scripts/setup bench
	@$(MAKE) --no-print-directory -j2 all benches
	@scripts/bench-cost
.PHONY: benches bench bench-quick bench-cost

# Set-up comes first, and by a make of its own: a fresh machine may have no compiler yet.
test: setup
	@$(MAKE) --no-print-directory -j2 all tests
	@scripts/test $(TESTS)
tests: $(TESTS) programs benches $(STORM)
programs: $(PROGRAMS)
.PHONY: programs
.PHONY: tests
.SECONDARY:

run: setup
	@$(MAKE) --no-print-directory -j2 all
	$(BUILD)/cspctl run config/wordcount.yaml

# The tests build programs of their own, so the flags go to them too.
sanitize: export CSP_TEST_BUILD := build/sanitize
sanitize faults: export BUILD := build/sanitize
sanitize faults: export OPT := -O1 -g
sanitize faults: export SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
sanitize faults: export CFLAGS := -fno-omit-frame-pointer
sanitize: setup
	@$(MAKE) --no-print-directory -j2 all tests
	@CK_TIMEOUT_MULTIPLIER=5 scripts/test $(TESTS:build/tests/%=build/sanitize/tests/%)

EVERY     ?= 1
SCENARIOS ?=
faults: setup
	@$(MAKE) --no-print-directory -j2 fault-programs
	@build/sanitize/faults/faults --every $(EVERY) $(SCENARIOS)
.PHONY: faults

SOURCES = $(filter-out $(if $(NNG),,tests/bench/nng-%) $(if $(LMDB),,tests/bench/lmdb-%),\
          $(wildcard libipc/*.[ch] broker/*.[ch] cspctl/*.[ch] workers/*.c workers/*/*.[ch] tests/*.[ch] tests/*/*.[ch]))
lint:
	@scripts/setup lint
	@scripts/names
	@scripts/semantics
	@scripts/lint $(SOURCES)

# ---- install: relative to PREFIX, below DESTDIR; an installed cspctl finds its programs beside itself ----
define PC
prefix=$(PREFIX)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: libipc
Description: CSP for Unix processes: channels, select and processes over ZeroMQ
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lipc
Libs.private: -lzmq -pthread
endef
export PC

install: all
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include libexec/csp share/csp/config)
	install -m 644 libipc/csp.h $(DESTDIR)$(PREFIX)/include/csp.h
	install -m 644 $(BUILD)/libipc.a $(DESTDIR)$(PREFIX)/lib/libipc.a
	install -m 755 $(BUILD)/libipc.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libipc.so.$(VERSION)
	ln -sf libipc.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libipc.so.$(SOMAJOR)
	ln -sf libipc.so.$(SOMAJOR) $(DESTDIR)$(PREFIX)/lib/libipc.so
	echo "$$PC" > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libipc.pc
	install -m 755 $(BUILD)/cspctl $(DESTDIR)$(PREFIX)/bin/cspctl
	install -m 755 $(LIBEXEC)/broker $(WORKERS) $(DESTDIR)$(PREFIX)/libexec/csp/
	install -m 644 $(wildcard config/*.yaml) $(DESTDIR)$(PREFIX)/share/csp/config/

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,include/csp.h lib/libipc.a lib/libipc.so lib/libipc.so.$(SOMAJOR) \
	    lib/libipc.so.$(VERSION) lib/pkgconfig/libipc.pc bin/cspctl libexec/csp/broker \
	    $(addprefix libexec/csp/,$(WORKER_NAMES)) $(addprefix share/csp/,$(wildcard config/*.yaml)))
	-rmdir $(addprefix $(DESTDIR)$(PREFIX)/,libexec/csp share/csp/config share/csp) 2>/dev/null

model: ; @scripts/model

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
