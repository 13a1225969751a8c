// Body of the loops_*.cpp files, which define DECODER_LOOPS as the name of their table and are compiled with different
// instruction sets. It uses no inline function of another header: the linker keeps one copy of such a function, and it
// must not be one that the machine cannot run.
#include "decoder/loops/loops.hpp"

namespace decoder {
namespace {

// 2^x to about 1e-7 relative; 0 below -126, infinity above 127.5. The fraction, in [-1/2, 1/2], goes through a polynomial of
// degree 5 (9e-8 relative).
inline float exp2_of(float x)
{
  float y = x > 127.5f ? 127.5f : x;
  y = y < -126.0f ? -126.0f : y;
  const float shifted = y + 12582912.0f;  // 1.5 * 2^23: the nearest integer in the low bits
  const float r = y - (shifted - 12582912.0f);
  float p = 1.326472725e-03f;
  p = p * r + 9.671512786e-03f;
  p = p * r + 5.550733744e-02f;
  p = p * r + 2.402224208e-01f;
  p = p * r + 6.931469776e-01f;
  p = p * r + 1.0f;
  const unsigned power = (__builtin_bit_cast(unsigned, shifted) << 23) + 0x3f800000u;
  const float value = p * __builtin_bit_cast(float, power);
  return x < -126.0f ? 0.0f : value;
}

float largest(const float* values, std::size_t count)
{
  float most = -__builtin_inff();
#pragma omp simd reduction(max : most)
  for (std::size_t i = 0; i < count; ++i) most = values[i] > most ? values[i] : most;
  // clang's lanes of such a sum begin with the least finite number, g++'s with -infinity: who finds no more looks again.
  if (most > -__FLT_MAX__) return most;
  most = -__builtin_inff();
  for (std::size_t i = 0; i < count; ++i) most = values[i] > most ? values[i] : most;
  return most;
}

float sum_exp2(const float* values, float scale, float offset, std::size_t count)
{
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += exp2_of(scale * values[i] - offset);
  return sum;
}

float exp2(float* values, float scale, float offset, std::size_t count)
{
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) {
    const float value = exp2_of(scale * values[i] - offset);
    values[i] = value;
    sum += value;
  }
  return sum;
}

void rms_norm(float* to, const float* from, const float* weight, float epsilon, std::size_t count)
{
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += from[i] * from[i];
  const float factor = 1.0f / __builtin_sqrtf(sum / static_cast<float>(count) + epsilon);
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] = weight[i] * (from[i] * factor);
}

void gate(float* to, const float* gates, const float* up, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) {
    to[i] = gates[i] / (1.0f + exp2_of(-1.44269504088896341f * gates[i])) * up[i];
  }
}

void add_scaled(float* to, const float* from, float factor, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

void scale(float* to, float factor, std::size_t count)
{
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) to[i] *= factor;
}

float dot(const float* a, const float* b, std::size_t count)
{
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void rotate(float* row, const float* cosines, const float* sines, std::size_t half)
{
  float* const other = row + half;
#pragma omp simd
  for (std::size_t i = 0; i < half; ++i) {
    const float x = row[i], y = other[i];
    row[i] = x * cosines[i] - y * sines[i];
    other[i] = x * sines[i] + y * cosines[i];
  }
}

}  // namespace

extern const loops DECODER_LOOPS;
const loops DECODER_LOOPS{largest, sum_exp2, exp2, rms_norm, gate, add_scaled, scale, dot, rotate};

}  // namespace decoder
