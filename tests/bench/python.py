#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""What Python's multiprocessing gives between two processes: values one way, and the time from the start of a process to
its first value. Decision: the very measurement of flow.c and start.c, values as bytes objects; a Queue has the capacity that
the pair beside it has, as far as it holds no more than 64 MiB.

    python.py queue|pipe SIZE
    python.py start
"""
import multiprocessing
import os
import statistics
import sys
import time

SECONDS = float(os.environ.get("BENCH_SECONDS", 1))
CAPACITY, MEMORY = 4096, 64 << 20


def send(put, size):
    value, look = bytes(size), max(1, min(256, 65536 // size))
    put(value)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for _ in range(look):
            put(value)
    put(b"\1" * size)


def receive(get):
    settled, counted, n = time.monotonic() + SECONDS / 10, 0, 1
    get()
    begin = time.monotonic()
    while not get()[0]:
        n, counted = n + 1, counted + 1
        if settled and time.monotonic() >= settled:
            begin, settled, counted = time.monotonic(), 0, 0
    print("values/s", counted / (time.monotonic() - begin))
    print("values", n)


def one_way(kind, size):
    if kind == "queue":
        queue = multiprocessing.Queue(min(CAPACITY, MEMORY // size))
        get, put = queue.get, queue.put
    else:
        reader, writer = multiprocessing.Pipe(duplex=False)
        get, put = reader.recv_bytes, writer.send_bytes
    child = multiprocessing.Process(target=send, args=(put, size), daemon=True)
    child.start()
    receive(get)
    child.join()


def starts():
    took, until = [], time.monotonic() + SECONDS
    while not took or time.monotonic() < until:
        reader, writer = multiprocessing.Pipe(duplex=False)
        begin = time.monotonic()
        child = multiprocessing.Process(target=writer.send_bytes, args=(b"value",), daemon=True)
        child.start()
        reader.recv_bytes()
        took.append(time.monotonic() - begin)
        child.join()
    print("us", statistics.median(took) * 1e6)


if sys.argv[1] == "start":
    starts()
else:
    one_way(sys.argv[1], int(sys.argv[2]))
