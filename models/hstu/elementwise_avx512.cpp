#define HSTU_ELEMENTWISE elementwise_avx512
#include "hstu/elementwise.inl"
