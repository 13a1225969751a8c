#define HSTU_ELEMENTWISE elementwise_baseline
#include "hstu/elementwise.inl"
