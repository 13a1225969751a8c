// Histories in real life: cut to their newest events, rewritten, and with a last token that nobody may keep.
//
// The model of this example is a running sum: row i is the sum of the tokens that it sees, the one before it and its own.
// So one can tell from a row what it was computed from.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstdio>
#include <numeric>
#include <vector>

using namespace kvstrata;

constexpr geometry kv_shape{.layers = 1, .kv_heads = 1, .head_dim = 1, .element = element_type::f32};
constexpr user_id ada{7};
using cache_type = default_cache<emulated_device>;

struct server
{
  emulated_device device;
  stream_id compute = device.create_stream("compute");
  cache_type cache{device,
                   {.shape = kv_shape,
                    .tiers = {{.bytes = 64 * page_bytes(kv_shape, 8)}, {.bytes = 256 * page_bytes(kv_shape, 8)}},
                    .layout = {.page_tokens = 8, .chunk = 64}}};
  std::vector<float> history;  // of ada

  // Serves a request and returns its last row. `computed`: tokens that were not served.
  float serve(const request& r, token_count& computed)
  {
    auto lease = cache.prepare({&r, 1}, compute).value();
    computed = lease.sources(0).computed;
    const page_table_view view = lease.view();
    lease.wait_sync(0);
    const auto row = [&view](token_count token) -> float& {  // token numbers count from the beginning of the history
      return *reinterpret_cast<float*>(view.key(0, 0, token));
    };
    for (const token_interval piece : lease.compute(0)) {
      for (token_count t = piece.begin; t < piece.end; ++t) {
        row(t) = history[t] + (t == view.first_token(0) ? 0 : row(t - 1));  // nothing before the window is there
      }
    }
    lease.layer_done(0);
    lease.commit();
    return row(r.history_tokens - 1);
  }
};

// --- windows -------------------------------------------------------------------------------------------------------------
bool show_window()
{
  server s;
  s.history.assign(140, 1.0f);
  token_count computed = 0;

  // The newest 100 tokens of everybody: a window that moves on as the history grows.
  constexpr token_count newest = 100;
  const request first{.user = ada, .history_tokens = 120, .first_token = 120 - newest};
  const request later{.user = ada, .history_tokens = 130, .first_token = 130 - newest};

  const float one = s.serve(first, computed);
  std::printf("the window [20, 120): %u tokens computed, the last row has seen %g\n", computed,
              static_cast<double>(one));
  bool right = computed == 100 && one == 100;
  const float two = s.serve(later, computed);
  std::printf("the window [30, 130): %u tokens computed, the last row has seen %g\n", computed,
              static_cast<double>(two));
  right = right && computed == 10 && two == 110;  // a fresh pass would have 100: see the guide

  const cache_stats now = s.cache.stats();
  std::printf("what it has moved past is gone: %u tokens\n", static_cast<unsigned>(now.forgotten.passed));
  return right && now.forgotten.passed == 10 && now.levels[0].resident_tokens == 100;
}

// --- rewritten histories -------------------------------------------------------------------------------------------------
std::vector<std::uint64_t> hashes_of(const std::vector<float>& history, token_count stride, token_count first_token)
{
  std::vector<std::uint64_t> out;
  for (token_count begin = (first_token + stride - 1) / stride * stride; begin + stride <= history.size();
       begin += stride) {
    out.push_back(std::accumulate(history.begin() + begin, history.begin() + begin + stride, std::uint64_t{0},
                                  [](std::uint64_t h, float t) { return h * 31 + static_cast<std::uint64_t>(t); }));
  }
  return out;
}

bool show_rewriting()
{
  server s;
  s.history.assign(100, 1.0f);
  token_count computed = 0;
  const auto asks = [](const std::vector<std::uint64_t>& hashes) {
    request r{.user = ada, .history_tokens = 100, .first_token = 30};
    r.stretches = {.stride = 8, .hashes = hashes};  // of [32, 40), [40, 48), ...: what the caller has
    r.if_rewritten = rewritten_history::start_anew;
    return r;
  };
  std::vector<std::uint64_t> hashes = hashes_of(s.history, 8, 30);
  s.serve(asks(hashes), computed);
  s.history[90] = 5;  // an order was cancelled, say
  hashes = hashes_of(s.history, 8, 30);
  const float last = s.serve(asks(hashes), computed);
  std::printf("a rewritten history: %u tokens computed, the last row has seen %g\n", computed,
              static_cast<double>(last));
  return computed == 70 && last == 74 && s.cache.stats().forgotten.rewritten == 70;
}

// --- volatile tails ------------------------------------------------------------------------------------------------------
bool show_tail()
{
  server s;
  s.history.assign(60, 1.0f);
  token_count computed = 0;
  // The model's last row looks at the time of the request: it is computed each time, and never served.
  const request r{.user = ada, .history_tokens = 50, .volatile_tail = 1};
  s.serve(r, computed);
  s.serve(r, computed);
  std::printf("the same request again, with a volatile tail: %u token computed\n", computed);
  return computed == 1 && s.cache.stats().levels[0].resident_tokens == 49;
}

int main()
{
  const bool right = show_window() && show_rewriting() && show_tail();
  std::puts(right ? "As it should be." : "FAILED: something else was served");
  return right ? 0 : 1;
}
