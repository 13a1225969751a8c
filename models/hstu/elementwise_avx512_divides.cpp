#define HSTU_ELEMENTWISE elementwise_avx512_divides
#define HSTU_DIVIDES
#include "hstu/elementwise.inl"
