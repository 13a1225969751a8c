// The model's kernels and flow, emulated: against double precision, and against themselves with other tokens in the
// pages.
#include "hstu_gpu/emulated_machine.hpp"
#include "hstu_gpu/model_checks.hpp"

namespace {

using namespace hstu_gpu_test;

struct long_history_result
{
  std::vector<float> scores;
  std::vector<std::byte> pages;
  std::uint64_t kernels = 0;
};

// A few new tokens and candidates behind a long history whose K and V are any numbers.
template <class Machine>
long_history_result extend_long_history(const hstu::config& c, const user& u)
{
  generator random(24);
  model_bed<Machine> bed(c);
  pages_on<Machine> memory(random, bed.device(), bed.stream, bed.model.shape(), 32, {u.history});
  std::vector<std::byte> all = memory.read();
  for (std::size_t i = 0; i < all.size(); i += sizeof(bf16)) {
    const bf16 value = hstu::gpu::to_bf16(static_cast<float>(below(random, 2001)) / 1000.0f - 1.0f);
    std::memcpy(all.data() + i, &value, sizeof(value));
  }
  memory.write(all);
  const std::uint64_t before = bed.device().stats().kernels;
  const hstu::request batch[] = {u.request()};
  std::vector<float> scores = bed.run(batch, memory.view());
  return {std::move(scores), memory.read(), bed.device().stats().kernels - before};
}

std::vector<float> floats_of(const std::vector<std::byte>& bytes)
{
  std::vector<float> out;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(bf16)) {
    bf16 value;
    std::memcpy(&value, bytes.data() + i, sizeof(value));
    out.push_back(hstu::gpu::to_float(value));
  }
  return out;
}

}  // namespace

TEST_CASE("where blocks share a long history the answer is nearly the same", "[hstu]")
{
  generator random(23);
  hstu::config c = small_config();
  c.max_tokens = 2000;
  user u(random, 1700, 5);
  u.compute = {{900, 910}, {1690, 1700}};
  const long_history_result alone = extend_long_history<emulated_machine>(c, u);
  const long_history_result shared = extend_long_history<emulated_machine_of<16>>(c, u);
  CHECK(shared.kernels > alone.kernels);  // the sums of the parts
  CHECK(relative_error(shared.scores, alone.scores) < near_each_other);
  CHECK(relative_error(floats_of(shared.pages), floats_of(alone.pages)) < 1e-3);
}

TEST_CASE("scores, K and V are near a double-precision reference", "[hstu]")
{
  generator random(21);
  hstu::config c = small_config();
  SECTION("no history, one token, odd and even, page edges")
  {
    c.layers = 2;
    for (const kvstrata::token_count tokens : {0u, 1u, 2u, 8u, 33u, 64u}) {
      c.seed = random();
      check_reference<emulated_machine>(random, c, user(random, tokens, 1 + below(random, 5)), 8);
    }
  }
  SECTION("no candidates")
  {
    check_reference<emulated_machine>(random, c, user(random, 20, 0), 16);
    check_reference<emulated_machine>(random, c, user(random, 0, 0), 16);
  }
  SECTION("many candidates, more than a tile of queries")
  {
    check_reference<emulated_machine>(random, c, user(random, 40, 150), 32);
  }
  SECTION("as long as the model has positions, without bias, wide heads")
  {
    c.layers = 2;
    c.heads = 1;
    c.max_tokens = 160;
    c.head_dim = 128;
    c.position_buckets = c.time_buckets = 0;
    check_reference<emulated_machine>(random, c, user(random, 160, 3), 64);
  }
  SECTION("widths that are no multiple of a warp's step, one bias alone")
  {
    c.layers = 2;
    c.hidden = 264;
    c.tasks = 5;
    c.time_buckets = 0;
    check_reference<emulated_machine>(random, c, user(random, 50, 4), 256);
    c.time_buckets = 30;
    c.position_buckets = 0;
    check_reference<emulated_machine>(random, c, user(random, 50, 4), 16);
  }
}

TEST_CASE("any compute lists of any batch give the same answer to the last bit", "[hstu]")
{
  generator random(22);
  const hstu::config c = small_config();
  check_compute_lists<emulated_machine>(random, c, users_of(random, {70, 0, 1, 33}, 20), 16);
  check_compute_lists<emulated_machine>(random, c, users_of(random, {130}, 3), 32);
  check_compute_lists<emulated_machine>(random, c, with_windows(users_of(random, {90, 40, 33}, 20), {21, 40, 0}), 16);
}

TEST_CASE("windows that begin inside a page, and move, are near a double-precision reference", "[hstu]")
{
  generator random(25);
  hstu::config c = small_config();
  user u(random, 75, 4);
  u.first_token = 13;
  u.compute = {{13, 75}};
  check_reference<emulated_machine>(random, c, u, 32);
  u.first_token = 40;
  check_moved_window<emulated_machine>(random, c, u, 5, 61, 16);
  c.max_tokens = 30;  // positions behind it share the last
  check_moved_window<emulated_machine>(random, c, u, 5, 61, 16);
}
