/* The passes over memory between the matrix products of a Qwen3 decoder's training step: one each, forward and backward.
   REAL16 set: products are computed in bfloat16 (kept as its 16 bits), else in float. Residual stream, norms and sums are float. */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int64_t size;

#ifdef REAL16
typedef uint16_t real;
static inline float load(real bits) {
    const uint32_t wide = (uint32_t) bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}
/* To nearest, ties to even; a NaN stays one. */
static inline real store(float value) {
    uint32_t wide;
    memcpy(&wide, &value, sizeof wide);
    const uint32_t rounded = (wide + 0x7fff + (wide >> 16 & 1)) >> 16;
    return (real) ((wide & 0x7fffffff) > 0x7f800000 ? wide >> 16 | 64 : rounded);
}
#else
typedef float real;
static inline float load(real value) { return value; }
static inline real store(float value) { return value; }
#endif

/* e^x as 2^n times a polynomial (Cephes' expf; its first terms are exact enough for 8 bits), at its ends beyond +-87. A loop over
   it vectorises. */
static inline float power(float x) {
    x = x < -87 ? -87 : x > 87 ? 87 : x;
    const float n = floorf(x * 1.44269504f + .5f);
    const float r = x - n * .693359375f + n * 2.12194440e-4f;
#ifdef REAL16
    const float p = (4.1665795894e-2f * r + 1.6666665459e-1f) * r + 5.0000001201e-1f;
#else
    const float p = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r
                     + 1.6666665459e-1f) * r + 5.0000001201e-1f;
#endif
    const int32_t bits = ((int32_t) n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return (p * r * r + r + 1) * scale;
}

static inline float sigmoid(float x) { return 1 / (1 + power(-x)); }

/* sum = x + added (where added is not null); out = sum / rms * weight; inverse: (n,) 1 / rms. x, sum, out: (n, d). */
void norm(const float *restrict x, const real *restrict added, const float *restrict weight, size n, size d, float eps,
          float *restrict sum, real *restrict out, float *restrict inverse) {
    for (size i = 0; i < n; i++, x += d, sum += d, out += d) {
        float square = 0;
        if (added) {
            for (size j = 0; j < d; j++) sum[j] = x[j] + load(added[j]);
            added += d;
        } else memcpy(sum, x, d * sizeof *x);
        for (size j = 0; j < d; j++) square += sum[j] * sum[j];
        const float scale = inverse[i] = 1 / sqrtf(square / d + eps);
        for (size j = 0; j < d; j++) out[j] = store(sum[j] * scale * weight[j]);
    }
}

/* total += the gradient through the norm; also rounded, as the next product's operand. d_weight: (d,), added to. */
void norm_back(const real *restrict gradient, const float *restrict x, const float *restrict weight, const float *restrict inverse,
               size n, size d, float *restrict total, real *restrict rounded, float *restrict d_weight) {
    for (size i = 0; i < n; i++, gradient += d, x += d, total += d, rounded += d) {
        const float scale = inverse[i];
        float mean = 0;
        for (size j = 0; j < d; j++) {
            const float product = load(gradient[j]) * x[j];
            d_weight[j] += product * scale;
            mean += product * weight[j];
        }
        mean *= scale * scale / d;
        for (size j = 0; j < d; j++) {
            total[j] += (load(gradient[j]) * weight[j] - x[j] * mean) * scale;
            rounded[j] = store(total[j]);
        }
    }
}

/* (n, heads, d) of a row's queries, keys and values -> (heads, n, d): the first `normed` heads over their rms, times weight
   (normed, d), turned by half-split RoPE with cos and sin (n, d / 2); the others as they are. inverse: (n, normed). */
void heads(const real *restrict joined, const float *restrict weight, const float *restrict cos, const float *restrict sin,
           size n, size count, size normed, size d, float eps, real *restrict out, float *restrict inverse) {
    const size half = d / 2;
    for (size i = 0; i < n; i++, cos += half, sin += half)
        for (size h = 0; h < count; h++, joined += d) {
            real *restrict to = out + (h * n + i) * d;
            if (h >= normed) { memcpy(to, joined, d * sizeof *to); continue; }
            const float *restrict w = weight + h * d;
            float square = 0;
            for (size j = 0; j < d; j++) square += load(joined[j]) * load(joined[j]);
            const float scale = inverse[i * normed + h] = 1 / sqrtf(square / d + eps);
            for (size j = 0; j < half; j++) {
                const float low = load(joined[j]) * scale * w[j], high = load(joined[j + half]) * scale * w[j + half];
                to[j] = store(low * cos[j] - high * sin[j]);
                to[j + half] = store(high * cos[j] + low * sin[j]);
            }
        }
}

/* The gradient of `heads`: (heads, n, d) -> (n, heads, d); d_weight: (normed, d), added to. */
void heads_back(const real *restrict gradient, const real *restrict joined, const float *restrict weight, const float *restrict inverse,
                const float *restrict cos, const float *restrict sin, size n, size count, size normed, size d,
                real *restrict out, float *restrict d_weight) {
    const size half = d / 2;
    float turned[d];
    for (size i = 0; i < n; i++, cos += half, sin += half)
        for (size h = 0; h < count; h++, joined += d, out += d) {
            const real *restrict from = gradient + (h * n + i) * d;
            if (h >= normed) { memcpy(out, from, d * sizeof *out); continue; }
            const float *restrict w = weight + h * d;
            float *restrict dw = d_weight + h * d;
            const float scale = inverse[i * normed + h];
            float mean = 0;
            for (size j = 0; j < half; j++) {
                const float low = load(from[j]), high = load(from[j + half]);
                turned[j] = low * cos[j] + high * sin[j];
                turned[j + half] = high * cos[j] - low * sin[j];
            }
            for (size j = 0; j < d; j++) {
                const float product = turned[j] * load(joined[j]);
                dw[j] += product * scale;
                mean += product * w[j];
            }
            mean *= scale * scale / d;
            for (size j = 0; j < d; j++) out[j] = store((turned[j] * w[j] - load(joined[j]) * mean) * scale);
        }
}

/* Scores (groups, rows, t, t) -> softmax over earlier positions of the same segment, in place; 0 elsewhere. first: (rows, t), where
   each position's segment begins. */
void softmax(real *restrict scores, const int32_t *restrict first, size groups, size rows, size t, float scale) {
    float line[t];
    for (size g = 0; g < groups; g++)
        for (size r = 0; r < rows * t; r++, scores += t) {
            const size from = first[r], to = r % t + 1;
            float top = -INFINITY, total = 0;
            #pragma omp simd reduction(max : top)
            for (size j = from; j < to; j++) {
                line[j] = load(scores[j]) * scale;
                top = line[j] > top ? line[j] : top;
            }
            for (size j = from; j < to; j++) total += line[j] = power(line[j] - top);
            const float share = 1 / total;
            memset(scores, 0, from * sizeof *scores);
            for (size j = from; j < to; j++) scores[j] = store(line[j] * share);
            memset(scores + to, 0, (t - to) * sizeof *scores);
        }
}

/* Gradient of the softmax's weights -> of the scores before the scale, in place of the first. */
void softmax_back(real *restrict gradient, const real *restrict weights, const int32_t *restrict first, size groups, size rows, size t,
                  float scale) {
    for (size g = 0; g < groups; g++)
        for (size r = 0; r < rows * t; r++, gradient += t, weights += t) {
            const size from = first[r], to = r % t + 1;
            float dot = 0;
            for (size j = from; j < to; j++) dot += load(gradient[j]) * load(weights[j]);
            memset(gradient, 0, from * sizeof *gradient);
            for (size j = from; j < to; j++) gradient[j] = store((load(gradient[j]) - dot) * load(weights[j]) * scale);
            memset(gradient + to, 0, (t - to) * sizeof *gradient);
        }
}

/* gate and up side by side (n, 2 d) -> silu(gate) * up, (n, d). */
void swiglu(const real *restrict x, size n, size d, real *restrict out) {
    for (size i = 0; i < n; i++, x += 2 * d, out += d)
        for (size j = 0; j < d; j++) {
            const float gate = load(x[j]);
            out[j] = store(gate * sigmoid(gate) * load(x[j + d]));
        }
}

/* The gradient of `swiglu`, (n, d) -> (n, 2 d). */
void swiglu_back(const real *restrict gradient, const real *restrict x, size n, size d, real *restrict out) {
    for (size i = 0; i < n; i++, gradient += d, x += 2 * d, out += 2 * d)
        for (size j = 0; j < d; j++) {
            const float gate = load(x[j]), share = sigmoid(gate), g = load(gradient[j]);
            out[j] = store(g * load(x[j + d]) * share * (1 + gate * (1 - share)));
            out[j + d] = store(g * gate * share);
        }
}

/* Summed cross-entropy in nats of logits (n, v); the logits become their gradient. A target below 0 counts for nothing. */
double cross_entropy(real *restrict logits, const int32_t *restrict targets, size n, size v) {
    float line[v];
    double sum = 0;
    for (size i = 0; i < n; i++, logits += v) {
        if (targets[i] < 0) { memset(logits, 0, v * sizeof *logits); continue; }
        float top = -INFINITY, total = 0;
        #pragma omp simd reduction(max : top)
        for (size j = 0; j < v; j++) {
            line[j] = load(logits[j]);
            top = line[j] > top ? line[j] : top;
        }
        const float wanted = line[targets[i]];
        for (size j = 0; j < v; j++) total += line[j] = power(line[j] - top);
        const float share = 1 / total;
        for (size j = 0; j < v; j++) logits[j] = store(line[j] * share);
        logits[targets[i]] = store(line[targets[i]] * share - 1);
        sum += top + logf(total) - wanted;
    }
    return sum;
}
