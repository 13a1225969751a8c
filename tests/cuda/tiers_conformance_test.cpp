// The conformance suite of tiers on a cuda_device.
#include "cuda/cuda_bed.hpp"
#include "tiers/tier_conformance.hpp"
#include "tiers/tier_subjects.hpp"

using namespace kvstrata_test;
using kvstrata::cuda_device;

TEST_CASE("cuda: conformance of a pinned arena", "[cuda]") { tier_conformance<arena_subject, cuda_device>(); }
TEST_CASE("cuda: conformance of the example's mapped file", "[cuda]") { tier_conformance<file_subject, cuda_device>(); }
TEST_CASE("cuda: conformance of a device slab's frames", "[cuda]") { frame_conformance<slab_subject, cuda_device>(); }
