// SPDX-License-Identifier: MPL-2.0

// Values of 64 bytes through a channel of capacity 1024, from a goroutine to another: what flow.c measures.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	s, err := strconv.ParseFloat(os.Getenv("BENCH_SECONDS"), 64)
	if err != nil {
		s = 1
	}
	values := make(chan [64]byte, 1024)
	go func() {
		defer close(values)
		for until := time.Now().Add(time.Duration(s * 1e9)); time.Now().Before(until); {
			for i := 0; i < 256; i++ {
				values <- [64]byte{}
			}
		}
	}()
	<-values
	begin, n := time.Now(), 0
	for range values {
		n++
	}
	fmt.Println("values/s", float64(n)/time.Since(begin).Seconds())
	fmt.Println("values", n)
}
