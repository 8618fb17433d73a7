# Python's interpreter on floats, no numpy: python3 -I -S -B float.py ROUNDS
import sys

rounds = int(sys.argv[1])

# The Mandelbrot set in a grid of points.
inside = 0
for y in range(rounds):
    for x in range(rounds):
        cr, ci = x * 3.0 / rounds - 2.0, y * 2.0 / rounds - 1.0
        zr = zi = 0.0
        for n in range(40):
            zr, zi = zr * zr - zi * zi + cr, 2.0 * zr * zi + ci
            if zr * zr + zi * zi > 4.0:
                break
        else:
            inside += 1

# The largest eigenvalue of a matrix, by powers of it.
size = 20 + rounds // 2
vector = [1.0] * size
for step in range(6):
    vector = [sum(v / ((i + j) * (i + j + 1) / 2 + i + 1) for j, v in enumerate(vector)) for i in range(size)]
    norm = sum(v * v for v in vector) ** 0.5
    vector = [v / norm for v in vector]
print(inside, "%.9g" % norm)
