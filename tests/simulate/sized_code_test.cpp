// Codes without data: their sizes decide how many pages a level has room for, and a batch's answer is exact where one of its
// requests wants that.
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/cache_simulator.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/request_batch.hpp>
#include <kvstrata/simulate/sized_code.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <cstdint>

using namespace kvstrata;

namespace {

using code = sized_code<false>;
using coded = cache<tier_stack<device_slab<dataless_device>, pinned_arena<token_write_through, code>>, hybrid_layout,
                    layerwise_transfer<batched_copy<>>, lru>;

constexpr geometry shape{.layers = 2, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr std::size_t page = page_bytes(shape, 32);

std::size_t half_of(const piece_shape& piece) { return piece.bytes() / 2; }

/// Eight users by turns; tokens that were computed.
std::uint64_t computed_with(std::size_t (*code_bytes)(const piece_shape&))
{
  dataless_device device;
  coded::config c{.shape = shape,
                  .tiers = {{.bytes = 4 * page}, {.bytes = 32 * page, .codec = {code_bytes}, .raw_share = 0.2}},
                  .layout = {.page_tokens = 32, .chunk = 32}};
  coded cache(device, c);
  cache_simulator<coded> sim(cache);
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t user = 0; user < 12; ++user) sim.add({.user = user_id{user}, .history_tokens = 4 * 32});
  }
  return sim.counts().computed_tokens;
}

}  // namespace

TEST_CASE("a code of half the size has room for twice the pages", "[simulate][codec]")
{
  CHECK(computed_with(nullptr) == 5 * 12 * 4 * 32);  // 48 pages go round in 25
  CHECK(computed_with(&half_of) == 12 * 4 * 32);     // and fit into 51
}

TEST_CASE("a size that no code has is refused", "[simulate][codec]")
{
  const piece_shape piece = piece_of(shape, 32);
  CHECK(code::coder(piece, {}).code_bytes() == piece.bytes());
  CHECK_THROWS_AS(code::coder(piece, {[](const piece_shape&) { return std::size_t{0}; }}), config_error);
  CHECK_THROWS_AS(code::coder(piece, {[](const piece_shape&) { return std::size_t{24}; }}), config_error);
}

TEST_CASE("requests that share an answer have an exact one where either wants it", "[simulate][codec]")
{
  request_batch batch(4);
  batch.add({.user = user_id{1}, .history_tokens = 10, .exact = true});
  batch.add({.user = user_id{1}, .history_tokens = 20});
  batch.add({.user = user_id{2}, .history_tokens = 20});
  batch.add({.user = user_id{2}, .history_tokens = 10, .exact = true});
  REQUIRE(batch.requests().size() == 2);
  CHECK(batch.requests()[0].history_tokens == 20);
  CHECK(batch.requests()[0].exact);
  CHECK(batch.requests()[1].history_tokens == 20);
  CHECK(batch.requests()[1].exact);
}
