// The shipped admission and shedding policies: conformance.
#include "replacement/admission_conformance.hpp"
#include "replacement/shedding_conformance.hpp"

#include <kvstrata/replacement/admission/lru_k_admission.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/admission/tiny_lfu.hpp>
#include <kvstrata/replacement/admission/worth_writing.hpp>
#include <kvstrata/replacement/admission/write_rate.hpp>

using namespace kvstrata;
using kvstrata_test::admission_conformance;
using kvstrata_test::shedding_conformance;

TEST_CASE("always: conformance", "[replacement]") { admission_conformance<always>(); }
TEST_CASE("second_use: conformance", "[replacement]") { admission_conformance<second_use>(); }
TEST_CASE("lru_k_admission: conformance", "[replacement]") { admission_conformance<lru_k_admission<>>(); }
TEST_CASE("tiny_lfu: conformance", "[replacement]") { admission_conformance<tiny_lfu>(); }
TEST_CASE("worth_writing: conformance", "[replacement]") { admission_conformance<worth_writing>(); }
TEST_CASE("write_rate: conformance", "[replacement]") { admission_conformance<write_rate>(); }
TEST_CASE("evict_front: conformance", "[replacement]") { shedding_conformance<evict_front>(); }
TEST_CASE("evict_whole: conformance", "[replacement]") { shedding_conformance<evict_whole>(); }
