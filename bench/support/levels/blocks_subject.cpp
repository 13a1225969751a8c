// Contexts of 100 blocks of 100 tokens each, 20 tokens of the request's own between two: what the control plane does for them, in
// levels_measured(), which is what callgrind is told to count. All blocks are in the slab.
//
//   levels_blocks_subject ACTION FROM TO       contexts before FROM warm up
//
//   assembly   the list of blocks, page tables, and which tokens are computed: the own ones, and the first ten of each block
//   lease      all of it: the list, prepare, assembly, the layers, finish
#include <kvstrata/assembly/assembler.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/simulate/dataless_device.hpp>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using D = dataless_device;

constexpr std::uint32_t blocks = 100, items = 1000;
constexpr token_count block_tokens = 100, own_tokens = 20, first_tokens = 10, page_tokens = 16;
constexpr token_count context = blocks * (block_tokens + own_tokens);
constexpr geometry shape{.layers = 4, .kv_heads = 4, .head_dim = 64, .element = element_type::bf16};

class subject
{
 public:
  subject()
      : cache_(device_, {.shape = shape,
                         .tiers = {{.bytes = 12'000 * page_bytes(shape, page_tokens)},
                                   {.bytes = 12'000 * page_bytes(shape, page_tokens)}},
                         .layout = {.page_tokens = page_tokens, .chunk = 256}}),
        compute_(device_.create_stream("compute"))
  {
    for (token_count at = own_tokens; at < context; at += block_tokens + own_tokens) {
      computed_.push_back({at, at + first_tokens});
    }
  }

  /// Which blocks context `number` has.
  void choose(std::uint64_t number)
  {
    placed_.clear();
    for (std::uint32_t b = 0; b < blocks; ++b) {
      placed_.push_back({.key = {.kind = 1, .id = (number * 7919 + b * 13) % items, .version = 1},
                         .start = b * (block_tokens + own_tokens) + own_tokens,
                         .tokens = block_tokens});
    }
  }
  void list()
  {
    list_.start(epoch_id{}, context);
    for (const placed_block& b : placed_) list_.add(b);
  }
  [[nodiscard]] default_cache<D>::lease lease()
  {
    parts_.assign(list_.parts().begin(), list_.parts().end());
    parts_.push_back({.tokens = assembler_.scratch_tokens(list_, blocks * (own_tokens + first_tokens), page_tokens),
                      .mode = part_mode::scratch});
    const request r{.user = user_id{1}, .parts = parts_};
    return cache_.prepare({&r, 1}, compute_).value();
  }
  void put_together(const default_cache<D>::lease& lease)
  {
    assembler_.assemble(list_, [&](std::uint32_t part) { return lease.view(part); }, 0, lease.view(parts_.size() - 1));
    assembler_.compute(computed_);
    if (assembler_.view().context != context) throw std::runtime_error("the context is not whole");
  }
  static void run(default_cache<D>::lease& lease)
  {
    for (layer_index l = 0; l < shape.layers; ++l) {
      lease.wait(l);
      lease.layer_done(l);
    }
  }

 private:
  D device_;
  default_cache<D> cache_;
  stream_id compute_;
  std::vector<placed_block> placed_;
  block_list list_;
  assembler<position::position_free> assembler_;
  std::vector<part> parts_;
  std::vector<token_interval> computed_;
};

[[gnu::noinline]] void levels_measured_assembly(subject& s, const default_cache<D>::lease& lease)
{
  s.list();
  s.put_together(lease);
}

[[gnu::noinline]] void levels_measured_lease(subject& s)
{
  s.list();
  auto lease = s.lease();
  s.put_together(lease);
  subject::run(lease);
  lease.finish();
}

}  // namespace

int main(int argc, char** argv)
try {
  if (argc != 4) throw std::runtime_error("three arguments are wanted: see the head of blocks_subject.cpp");
  const std::string action = argv[1];
  const std::uint64_t from = std::strtoull(argv[2], nullptr, 10), to = std::strtoull(argv[3], nullptr, 10);
  if (action != "assembly" && action != "lease") throw std::runtime_error("there is no action " + action);
  subject s;
  for (std::uint64_t i = 0; i < from; ++i) {
    s.choose(i);
    levels_measured_lease(s);
  }
  CALLGRIND_START_INSTRUMENTATION;
  for (std::uint64_t i = from; i < to; ++i) {
    s.choose(i);
    if (action == "lease") {
      levels_measured_lease(s);
      continue;
    }
    s.list();
    const auto lease = s.lease();
    levels_measured_assembly(s, lease);
  }
  CALLGRIND_STOP_INSTRUMENTATION;
  return 0;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "levels_blocks_subject: %s\n", wrong.what());
  return 2;
}
