/* SPDX-License-Identifier: MIT */
/*
 * A dynamically linked program that leans on libm (with its choice of routines by CPU), printf
 * and malloc. The figures are exact in their printed digits on every x86-64.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double simpson(double (*f)(double), double a, double b, int n)
{
	double h = (b - a) / n, sum = f(a) + f(b);

	for (int i = 1; i < n; i++)
		sum += f(a + i * h) * (i % 2 ? 4 : 2);
	return sum * h / 3;
}

static double bell(double x)
{
	return exp(-x * x);
}

int main(void)
{
	enum { N = 20000 };
	double *v = malloc(N * sizeof(*v)), sum = 0;
	char **words = calloc(1000, sizeof(*words));

	if (!v || !words)
		return 1;
	printf("pi %.10f\n", 4 * atan(1));
	printf("sin %.6f cos %.6f tan %.6f\n", sin(1), cos(1), tan(1));
	printf("exp %.6f log %.6f pow %.3f\n", exp(1), log(10), pow(2, 0.5));
	printf("integral %.8f, sqrt(pi) %.8f\n", simpson(bell, -8, 8, 1000), sqrt(M_PI));
	for (int i = 0; i < N; i++)
		v[i] = sin(i) * cos(i / 3.0);
	for (int i = 0; i < N; i++)
		sum += v[i] * v[i];
	printf("sum of squares %.4f\n", sum);
	for (int round = 0; round < 50; round++)
		for (int i = 0; i < 1000; i++) {
			free(words[i]);
			words[i] = malloc(1 + (size_t)(i * 37 + round) % 5000);
			if (!words[i])
				return 1;
			snprintf(words[i], 1 + (size_t)(i * 37 + round) % 5000, "%d", i);
		}
	printf("long double %.18Lf\n", sqrtl(2));
	for (int i = 0; i < 1000; i++)
		free(words[i]);
	free(words);
	free(v);
	return 0;
}
