#define HSTU_ELEMENTWISE elementwise_avx2
#include "hstu/elementwise.inl"
