#define DECODER_LOOPS loops_avx512
#include "decoder/loops/loops.inl"
