// The conformance suite on a device of which nothing is known but the concept.
#include "support/plain_device.hpp"
#include "tiers/tier_conformance.hpp"
#include "tiers/tier_subjects.hpp"

using namespace kvstrata_test;

TEST_CASE("pinned arena on any device: conformance") { tier_conformance<arena_subject, plain_device>(); }
TEST_CASE("device slab on any device: conformance of its frames") { frame_conformance<slab_subject, plain_device>(); }
