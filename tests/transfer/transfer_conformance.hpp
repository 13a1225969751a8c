// What every copy engine, transfer policy and write policy must do: run them on your own with a file of a few lines,
//
//   TEST_CASE("my engine") { kvstrata_test::copy_engine_conformance<my_engine>(); }
//   TEST_CASE("my transfer") { kvstrata_test::transfer_conformance<my_transfer<>>(); }
//   TEST_CASE("my policy") { kvstrata_test::write_policy_conformance<my_write_policy>(); }
//
// (demotion_conformance.hpp: from one memory to another.)
//
// and on a device of your own with copy_engine_conformance<my_engine, my_device>() and likewise. The oracle is memcpy
// over the copy list, piece by piece, into shadows of both memories. The emulated device, which is the default, runs in
// virtual time, with delays that other seeds draw otherwise, and its ordering checker watches; other devices are looked
// into by copies (support/device_bed.hpp).
#pragma once

#include "transfer/channel_conformance.hpp"
#include "transfer/engine_conformance.hpp"

#include <kvstrata/tiers/write_policy.hpp>

#include <cstdint>

namespace kvstrata_test {

/// A write policy is arithmetic: never past what is committed, and never taking back what it asked for before.
template <kvstrata::write_policy Writes>
void write_policy_conformance()
{
  using kvstrata::token_count;
  for (const token_count page : {1U, 4U, 32U}) {
    for (const token_count chunk : {page, 3 * page, 32 * page}) {
      token_count before = 0;
      std::uint64_t uses = 1;
      for (token_count tokens = 0; tokens < 5000; tokens += 1 + tokens / 97) {
        CAPTURE(tokens, page, chunk, uses);
        const kvstrata::write_facts facts{tokens, page, chunk, uses};
        const token_count end = kvstrata::flushed_tokens<Writes>(facts).end;
        REQUIRE(end <= tokens);
        REQUIRE(end >= before);
        REQUIRE(kvstrata::flushed_tokens<Writes>(facts) == kvstrata::flushed_tokens<Writes>(facts));
        REQUIRE((!Writes::writes_back(facts) || Writes::writes_back({tokens, page, chunk, uses + 1})));
        before = end;
        uses += tokens % 3 == 0 ? 1 : 0;
      }
    }
  }
}

}  // namespace kvstrata_test
