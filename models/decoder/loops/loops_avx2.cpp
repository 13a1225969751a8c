#define DECODER_LOOPS loops_avx2
#include "decoder/loops/loops.inl"
