// A model that cannot be cached but for its last token: HSTU as Meta's research code runs it, where a query's time is that
// of the next token, or of the request. With a volatile tail of one token a cache serves it exactly; without, it does not.
//
// The model is written here in double precision, over pages; golden vectors of Meta's own code hold it to theirs, where
// they are on this machine.
#include "hstu/fixture.hpp"

#include "support/catch.hpp"
#include "support/data.hpp"
#include "support/npy.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace hstu_test;
using kvstrata::token_count;
using kvstrata::token_interval;
using row = std::vector<double>;

struct research_layer
{
  std::vector<float> uvqk;      // [hidden][4 D]: U, V, Q, K
  std::vector<float> out;       // [hidden][D]
  std::vector<float> out_bias;  // [hidden]
  std::vector<float> position;  // [2 N - 1] by distance, from N - 1 downwards
  std::vector<float> time;      // [129]
};

/// Weights, one user's input rows, and when their events came.
struct research_model
{
  std::size_t hidden = 0, heads = 0, head_dim = 0;
  double normaliser = 1;
  std::size_t distance_step = 1;  // of one token in the table of positions
  std::vector<research_layer> layers;
  std::vector<float> history, candidates;  // [...][hidden]
  std::vector<std::int64_t> times;         // of events, two tokens each
  std::int64_t now = 0;
  bool looks_ahead = true;  // a query's time is the next token's

  [[nodiscard]] std::size_t width() const { return heads * head_dim; }
  [[nodiscard]] token_count tokens() const { return static_cast<token_count>(history.size() / hidden); }
  [[nodiscard]] std::size_t candidate_count() const { return candidates.size() / hidden; }
  [[nodiscard]] std::int64_t time_of(token_count token) const { return times[token / 2]; }
  [[nodiscard]] kvstrata::geometry shape() const
  {
    return {static_cast<std::uint32_t>(layers.size()), static_cast<std::uint32_t>(heads),
            static_cast<std::uint32_t>(head_dim), kvstrata::element_type::f32};
  }
};

double silu(double x) { return x / (1 + std::exp(-x)); }

row normalised(const row& x)
{
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  row out = x;
  for (double& v : out) v = (v - mean) / std::sqrt(variance + 1e-6);
  return out;
}

double time_bias(const research_layer& l, std::int64_t seconds)
{
  const double bucket = std::floor(std::log(static_cast<double>(std::max<std::int64_t>(1, std::abs(seconds)))) / 0.301);
  return static_cast<double>(l.time[static_cast<std::size_t>(std::clamp(bucket, 0.0, 128.0))]);
}

/// A pass over the first `length` tokens, asked for at `now`: computes those in `compute`, whose K and V go into the pages,
/// and reads the others there. Layer l begins with wait(l). Returns the last states of history tokens that were computed,
/// and then of the candidates.
template <class Wait>
std::vector<row> run_pass(const research_model& m, const kvstrata::page_table_view& view, token_count length,
                          std::int64_t now, const std::vector<token_interval>& compute, Wait&& wait)
{
  struct query
  {
    token_count position;  // a candidate's is the length
    std::int64_t time;
    row x, u, v, q, k, attended;
  };
  std::vector<query> all;
  const auto input = [&m](const std::vector<float>& from, std::size_t number) {
    return row(from.begin() + static_cast<std::ptrdiff_t>(number * m.hidden),
               from.begin() + static_cast<std::ptrdiff_t>((number + 1) * m.hidden));
  };
  for (const token_interval piece : compute) {
    for (token_count t = piece.begin; t < piece.end; ++t) {
      const std::int64_t next = t + 1 < length ? m.time_of(t + 1) : now;
      all.push_back({t, m.looks_ahead ? next : m.time_of(t), input(m.history, t), {}, {}, {}, {}, {}});
    }
  }
  for (std::size_t c = 0; c < m.candidate_count(); ++c) {
    all.push_back({length, now, input(m.candidates, c), {}, {}, {}, {}, {}});
  }
  const std::size_t width = m.width();
  for (kvstrata::layer_index l = 0; l < m.layers.size(); ++l) {
    wait(l);
    const research_layer& w = m.layers[l];
    const auto cached = [&](token_count token, bool value) {
      return reinterpret_cast<float*>(view.key(l, 0, token) + (value ? view.value_offset() : 0));
    };
    for (query& r : all) {
      const row y = normalised(r.x);
      row* const parts[] = {&r.u, &r.v, &r.q, &r.k};
      for (std::size_t part = 0; part < 4; ++part) {
        parts[part]->assign(width, 0);
        for (std::size_t j = 0; j < width; ++j) {
          double sum = 0;
          for (std::size_t i = 0; i < m.hidden; ++i) {
            sum += y[i] * static_cast<double>(w.uvqk[i * 4 * width + part * width + j]);
          }
          (*parts[part])[j] = silu(sum);
        }
      }
      if (r.position == length) continue;
      for (std::size_t j = 0; j < width; ++j) {
        cached(r.position, false)[j] = static_cast<float>(r.k[j]);
        cached(r.position, true)[j] = static_cast<float>(r.v[j]);
      }
    }
    for (query& r : all) {
      r.attended.assign(width, 0);
      const auto attend = [&](token_count distance, std::int64_t seconds, auto key, auto value) {
        const double bias =
            static_cast<double>(w.position[w.position.size() / 2 - m.distance_step * distance]) + time_bias(w, seconds);
        for (std::size_t h = 0; h < m.heads; ++h) {
          double score = bias;
          for (std::size_t i = h * m.head_dim; i < (h + 1) * m.head_dim; ++i) score += r.q[i] * key(i);
          for (std::size_t i = h * m.head_dim; i < (h + 1) * m.head_dim; ++i) {
            r.attended[i] += silu(score) / m.normaliser * value(i);
          }
        }
      };
      for (token_count t = 0; t < std::min(length, r.position + 1); ++t) {
        const float* const key = cached(t, false);
        const float* const value = cached(t, true);
        attend(
            r.position - t, r.time - m.time_of(t), [key](std::size_t i) { return static_cast<double>(key[i]); },
            [value](std::size_t i) { return static_cast<double>(value[i]); });
      }
      if (r.position == length) {
        attend(0, 0, [&r](std::size_t i) { return r.k[i]; }, [&r](std::size_t i) { return r.v[i]; });
      }
    }
    for (query& r : all) {
      const row z = normalised(r.attended);
      for (std::size_t i = 0; i < m.hidden; ++i) {
        double sum = static_cast<double>(w.out_bias[i]);
        for (std::size_t j = 0; j < width; ++j) sum += r.u[j] * z[j] * static_cast<double>(w.out[i * width + j]);
        r.x[i] += sum;
      }
    }
  }
  std::vector<row> out;
  for (const query& r : all) out.push_back(r.x);
  return out;
}

/// Without a cache.
std::vector<row> full_pass(const research_model& m, pages& memory, token_count length, std::int64_t now)
{
  return run_pass(m, memory.view(), length, now, {{0, length}}, [](kvstrata::layer_index) {});
}

research_model random_model(generator& random)
{
  research_model m;
  m.hidden = 12;
  m.heads = 2;
  m.head_dim = 5;
  m.normaliser = 20;
  const auto draw = [&random](std::size_t count, double scale) {
    std::vector<float> out(count);
    for (float& v : out) v = static_cast<float>((static_cast<double>(below(random, 2001)) / 1000 - 1) * scale);
    return out;
  };
  for (int l = 0; l < 3; ++l) {
    m.layers.push_back({draw(m.hidden * 4 * m.width(), 0.8), draw(m.hidden * m.width(), 0.5), draw(m.hidden, 0.1),
                        draw(2 * 64 - 1, 0.5), draw(129, 0.8)});
  }
  m.history = draw(40 * m.hidden, 1);
  m.candidates = draw(3 * m.hidden, 1);
  std::int64_t now = 1'600'000'000;
  for (int e = 0; e < 20; ++e) m.times.push_back(now += 1 + below(random, e % 3 == 0 ? 90'000 : 60));
  m.now = now + 5000;
  return m;
}

/// As Meta's code has it, but for the time of the next token.
research_model golden_model(const std::filesystem::path& folder)
{
  using kvstrata_test::read_npy;
  const auto numbers = read_npy<std::int64_t>(folder / "shape.npy");
  research_model m;
  m.hidden = static_cast<std::size_t>(numbers.at(0));
  m.heads = static_cast<std::size_t>(numbers.at(1));
  m.head_dim = static_cast<std::size_t>(numbers.at(2));
  m.distance_step = static_cast<std::size_t>(numbers.at(6));
  m.normaliser = static_cast<double>(read_npy<std::int64_t>(folder / "n.npy").at(0));
  for (std::int64_t l = 0; l < numbers.at(3); ++l) {
    const auto part = [&](const char* name) {
      return read_npy<float>(folder / ("l" + std::to_string(l) + "_" + name + ".npy"));
    };
    m.layers.push_back({part("uvqk"), part("o_weight"), part("o_bias"), part("pos_w"), part("ts_w")});
  }
  m.history = read_npy<float>(folder / "x_history.npy");
  m.candidates = read_npy<float>(folder / "x_candidates.npy");
  m.times = read_npy<std::int64_t>(folder / "times.npy");
  m.now = read_npy<std::int64_t>(folder / "now.npy").at(0);
  m.looks_ahead = false;
  return m;
}

/// One user's history grows, and a cache serves what it may. The largest distance of an answer from that of a full pass.
double furthest_answer(generator& random, const research_model& m, token_count volatile_tail)
{
  using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;
  kvstrata::emulated_device device({.check_ordering = true, .poison_freed = true});
  const kvstrata::stream_id compute = device.create_stream("compute");
  cache_type cache(device, {.shape = m.shape(),
                            .tiers = {{.bytes = 40 * kvstrata::page_bytes(m.shape(), 4)},
                                      {.bytes = 40 * kvstrata::page_bytes(m.shape(), 4)}},
                            .layout = {.page_tokens = 4, .chunk = 16}});
  double apart = 0;
  token_count before = 0;
  for (token_count length = 5; length <= m.tokens(); length += 1 + below(random, 5)) {
    const std::int64_t now = m.time_of(length - 1) + 40'000;  // the next event comes at another time
    const kvstrata::request asked{
        .user = kvstrata::user_id{1}, .history_tokens = length, .volatile_tail = volatile_tail};
    auto lease = cache.prepare({&asked, 1}, compute).value();
    CHECK(lease.sources(0).computed == length - (before < volatile_tail ? 0 : before - volatile_tail));
    const std::vector<token_interval> missing(lease.compute(0).begin(), lease.compute(0).end());
    std::vector<row> got = run_pass(m, lease.view(), length, now, missing, [&](kvstrata::layer_index l) {
      lease.wait_sync(l);
      if (l != 0) lease.layer_done(l - 1);
    });
    lease.layer_done(static_cast<kvstrata::layer_index>(m.layers.size()) - 1);
    lease.commit();
    lease.release();
    before = length;

    pages memory(random, m.shape(), 4, {length});
    const std::vector<row> right = full_pass(m, memory, length, now);
    for (std::size_t c = 1; c <= m.candidate_count(); ++c) {
      apart = std::max(apart, furthest(got[got.size() - c], right[right.size() - c]));
    }
  }
  CHECK(device.violations().empty());
  return apart;
}

}  // namespace

TEST_CASE("a model whose last row looks ahead is served exactly with a volatile tail, and not without", "[hstu]")
{
  generator random(61);
  const research_model m = random_model(random);
  CHECK(furthest_answer(random, m, 1) < 1e-5);
  CHECK(furthest_answer(random, m, 3) < 1e-5);
  CHECK(furthest_answer(random, m, 0) > 1e-2);
}

TEST_CASE("Meta's research model, as its golden vectors have it, is served exactly with a volatile tail", "[hstu]")
{
  const auto folder = kvstrata_test::find_golden("meta_research_own_time");
  if (!folder) SKIP_TEST("the golden vectors meta_research_own_time are not on this machine");
  generator random(62);
  research_model m = golden_model(*folder);
  pages memory(random, m.shape(), 4, {m.tokens()});
  const std::vector<row> states = full_pass(m, memory, m.tokens(), m.now);
  const auto near = [](const std::vector<row>& rows, std::size_t from, const std::vector<float>& golden) {
    std::vector<double> flat;
    for (std::size_t r = from; r < rows.size(); ++r) flat.insert(flat.end(), rows[r].begin(), rows[r].end());
    flat.resize(std::min(flat.size(), golden.size()));
    return furthest(flat, golden);
  };
  CHECK(near(states, 0, kvstrata_test::read_npy<float>(*folder / "history_out.npy")) < 1e-5);
  CHECK(near(states, m.tokens(), kvstrata_test::read_npy<float>(*folder / "candidate_out.npy")) < 1e-5);
  for (const bool value : {false, true}) {
    const auto golden = kvstrata_test::read_npy<float>(*folder / (value ? "values.npy" : "keys.npy"));
    std::vector<float> mine;
    for (kvstrata::layer_index l = 0; l < m.layers.size(); ++l) {
      for (token_count t = 0; t < m.tokens(); ++t) {
        const auto one = memory.row(l, 0, t, value);
        mine.insert(mine.end(), one.begin(), one.end());
      }
    }
    CHECK(furthest(mine, golden) < 1e-5);
  }

  // With its own times it needs no tail; as its authors run it, it does.
  CHECK(furthest_answer(random, m, 0) < 1e-5);
  m.looks_ahead = true;
  CHECK(furthest_answer(random, m, 1) < 1e-5);
  CHECK(furthest_answer(random, m, 0) > 1e-3);
}
