# Python's interpreter on integers, strings, lists and dictionaries: python3 -I -S -B integer.py ROUNDS
import sys

rounds = int(sys.argv[1])
state = 1
counts = {}
words = []
for i in range(rounds):
    state = (state * 1103515245 + 12345) & 0x7fffffff
    key = state >> 20
    counts[key] = counts.get(key, 0) + 1
    if state & 7 == 0:
        words.append("%x-%d" % (state, i))
words.sort()
sieve = bytearray([1]) * (rounds // 2)
for n in range(2, int(len(sieve) ** 0.5) + 1):
    if sieve[n]:
        for m in range(n * n, len(sieve), n):
            sieve[m] = 0
big = 1
for n in range(1, 200 + rounds // 500):
    big = big * n
print(sum(counts.values()), max(counts), words[len(words) // 2], sum(sieve), str(big)[:12])
