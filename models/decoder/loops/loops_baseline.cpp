#define DECODER_LOOPS loops_baseline
#include "decoder/loops/loops.inl"
