/* Q8_0 blocks of 32 values: a scale and 32 bytes (ggml-quants.c, quantize_row_q8_0_ref; gguf.quants gives the same bytes).
   The scales come out as floats, since not every compiler has a half type; the caller puts them before each block's bytes.
   Rounding is half away from zero: adding the float just below .5 and cutting is exact where adding .5 is not. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 32
#define BELOW_HALF 0.49999997f

/* The bits of numbers without their sign are ordered as the numbers are: an integer maximum, which compilers vectorise. */
static void block(const uint32_t *bits, int8_t *out, float *scale) {
    uint32_t top = 0;
    float largest, values[BLOCK];
    for (int i = 0; i < BLOCK; i++) top = (bits[i] & 0x7fffffff) > top ? bits[i] & 0x7fffffff : top;
    memcpy(&largest, &top, sizeof largest);
    memcpy(values, bits, sizeof values);
    const float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
    *scale = d;
    for (int i = 0; i < BLOCK; i++) {
        const float scaled = values[i] * inverse;
        out[i] = (int8_t) (int32_t) (scaled + copysignf(BELOW_HALF, scaled));
    }
}

void q8_0_of_f32(const float *x, int64_t blocks, uint8_t *out, float *scales) {
    for (int64_t b = 0; b < blocks; b++) {
        uint32_t bits[BLOCK];
        memcpy(bits, x + b * BLOCK, sizeof bits);
        block(bits, (int8_t *) (out + b * (BLOCK + 2) + 2), scales + b);
    }
}

void q8_0_of_bf16(const uint16_t *x, int64_t blocks, uint8_t *out, float *scales) {
    for (int64_t b = 0; b < blocks; b++) {
        uint32_t bits[BLOCK];
        for (int i = 0; i < BLOCK; i++) bits[i] = (uint32_t) x[b * BLOCK + i] << 16;
        block(bits, (int8_t *) (out + b * (BLOCK + 2) + 2), scales + b);
    }
}
