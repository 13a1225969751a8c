// The shapes at which the model's pass without a cache is measured, and a batch for each.
#pragma once

#include "hstu/flops.hpp"
#include "hstu/recompute.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

struct shape
{
  std::string name;
  std::uint32_t layers, hidden, heads, head_dim;
  std::size_t users;
  kvstrata::token_count tokens;
  std::uint32_t candidates;
  bool wide;
};

inline const std::array<shape, 4> shapes{{{"replay's shape, 4 users", 4, 256, 4, 64, 4, 1200, 32, false},
                                          {"replay's shape, long", 4, 256, 4, 64, 1, 4800, 32, false},
                                          {"MTServe's layers", 2, 1024, 4, 128, 1, 4096, 128, true},
                                          {"NVIDIA's layers", 2, 1024, 4, 256, 1, 2048, 128, true}}};

/// A model of a shape, and a batch for it.
class pass_of
{
 public:
  pass_of(const shape& s, hstu::precision in) : model_(config_of(s), 0, in)
  {
    for (std::size_t u = 0; u < s.users; ++u) {
      users_.push_back(std::make_unique<user>());
      user& one = *users_.back();
      for (kvstrata::token_count e = 0; e < s.tokens / 2; ++e) {
        one.items.push_back(1000 * u + e);
        one.actions.push_back(e % 16);
      }
      for (std::uint32_t c = 0; c < s.candidates; ++c) one.candidates.push_back(77'777 + c);
      hstu::request r;
      r.items = one.items;
      r.actions = one.actions;
      r.history = s.tokens;
      r.candidates = one.candidates;
      batch_.push_back(r);
      one.all = {0, s.tokens};
      flops_ += hstu::flops(model_.options(), {s.tokens, std::span(&one.all, 1), s.candidates});
    }
  }

  void run() { static_cast<void>(hstu::recompute(model_, batch_, memory_)); }
  [[nodiscard]] double flops() const { return flops_; }

 private:
  struct user
  {
    std::vector<std::uint64_t> items, candidates;
    std::vector<std::uint32_t> actions;
    kvstrata::token_interval all;
  };

  static hstu::config config_of(const shape& s)
  {
    hstu::config c;
    c.layers = s.layers;
    c.hidden = s.hidden;
    c.heads = s.heads;
    c.head_dim = s.head_dim;
    c.max_tokens = 8192;
    c.position_buckets = c.time_buckets = 0;  // as in the replay
    return c;
  }

  hstu::model model_;
  std::vector<std::unique_ptr<user>> users_;
  std::vector<hstu::request> batch_;
  hstu::scratch_pages memory_;
  double flops_ = 0;
};

}  // namespace bench
