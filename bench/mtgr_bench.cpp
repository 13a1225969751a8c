// MTGR on the CPU: what one pass for all candidates saves, what a mask of one number a row saves, what a cache saves on streams
// of sessions, and what the paper's sizes cost, with random weights.
//
//   mtgr_bench [ROUNDS [compress | mask | sessions | sizes]...]
//
// Seconds are processor seconds, all threads together, in pairs: on a shared machine a wall clock counts others' work. FLOPs are
// those of matrix products, a multiplication and an addition being two; what is counted stands beside them.
#include "support/mtgr/sessions.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include "hstu/crew.hpp"
#include "hstu/elementwise.hpp"
#include "hstu/matmul.hpp"
#include "hstu/tile_attention.hpp"
#include "mtgr/flops.hpp"
#include "mtgr/recompute.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::uint32_t sequence_tokens = 980;  // with 20 of U and 100 of R 1,100 tokens of a user
constexpr std::uint32_t recent_tokens = 100;

double processor_seconds_of(const std::function<void()>& run)
{
  const auto now = [] {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  };
  const double before = now();
  run();
  return now() - before;
}

std::vector<float> numbers(std::size_t count, std::uint32_t seed)
{
  std::vector<float> out(count);
  for (float& v : out) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) * 0x1p-23f - 1;
  }
  return out;
}

struct size
{
  std::string name;
  std::uint32_t layers, hidden, heads;
  double paper;  // GFLOPs a sample

  [[nodiscard]] mtgr::config options() const
  {
    mtgr::config c;
    c.layers = layers;
    c.hidden = hidden;
    c.heads = heads;
    c.head_dim = hidden / heads;
    return c;
  }
};

const std::array<size, 3> sizes{
    {{"small", 3, 512, 2, 5.47}, {"medium", 5, 768, 3, 18.59}, {"large", 15, 768, 3, 55.76}}};

/// A batch of equal users, and memory for their passes.
class passes
{
 public:
  passes(const mtgr::model& m, std::size_t users, std::uint32_t candidates)
      : model_(m),
        profile_(numbers(std::size_t{m.options().user_tokens} * m.options().user_features, 1)),
        sequence_(numbers(std::size_t{sequence_tokens} * m.options().item_features, 2)),
        recent_(numbers(std::size_t{recent_tokens} * m.options().item_features, 3)),
        candidates_(numbers(candidates * mtgr::features_of(m.options(), mtgr::domain::candidate), 4)),
        candidate_times_(candidates, 1'000'000)
  {
    for (std::uint32_t i = 0; i < recent_tokens; ++i) times_.push_back(1000 + i);
    mtgr::request r;
    r.static_tokens = m.options().user_tokens + sequence_tokens;
    r.user = profile_;
    r.sequence = sequence_;
    r.recent_tokens = recent_tokens;
    r.recent = recent_;
    r.recent_times = times_;
    r.candidates = candidates_;
    r.candidate_times = candidate_times_;
    batch_.assign(users, r);
  }
  void run() { static_cast<void>(mtgr::recompute(model_, batch_, memory_)); }

 private:
  const mtgr::model& model_;
  std::vector<float> profile_, sequence_, recent_, candidates_;
  std::vector<std::int64_t> times_, candidate_times_;
  std::vector<mtgr::request> batch_;
  mtgr::scratch_parts memory_;
};

mtgr::part_flops whole_flops(const mtgr::config& c, double candidates)
{
  const double statics = c.user_tokens + sequence_tokens;
  return mtgr::flops(c, {statics, statics, recent_tokens, recent_tokens, candidates});
}

// One pass for K candidates against a row a candidate, in batches of eight.
void compress(int rounds, std::vector<bench::target>& targets)
{
  constexpr std::uint32_t candidates = 512;
  constexpr std::size_t at_once = 8;
  const mtgr::model m(sizes[0].options());
  passes one(m, 1, candidates);
  passes rows(m, at_once, 1);
  one.run();
  rows.run();
  std::vector<double> ratios, mine;
  for (int round = 0; round < rounds; ++round) {
    mine.push_back(processor_seconds_of([&] { one.run(); }));
    ratios.push_back(processor_seconds_of([&] { rows.run(); }) * candidates / at_once / mine.back());
  }
  const bench::spread ratio = bench::spread_of(ratios);
  const double fewer = candidates * whole_flops(m.options(), 1).all() / whole_flops(m.options(), candidates).all();
  std::printf("one pass for %u candidates against as many rows of 1,100 user tokens and a candidate (small, f32)\n",
              candidates);
  std::printf("  FLOPs: %.1f G against %.0f G, %.0f times fewer\n", whole_flops(m.options(), candidates).all() / 1e9,
              candidates * whole_flops(m.options(), 1).all() / 1e9, fewer);
  std::printf(
      "  time:  %.0f ms against %.0f s, %.0f times less (%.0f to %.0f, %d pairs; rows timed %zu at a time, times "
      "%zu)\n\n",
      bench::spread_of(mine).median * 1e3, bench::spread_of(mine).median * ratio.median, ratio.median, ratio.low,
      ratio.high, rounds, at_once, candidates / at_once);
  targets.push_back({"mtgr_flops_saved_by_one_pass", fewer, bench::better::more, 100, "K=512"});
  targets.push_back({"mtgr_time_saved_by_one_pass", ratio.median, bench::better::more, 30, "K=512"});
}

/// The attention of one layer over one user and all candidates, in two ways that give the same.
class masked_attention
{
 public:
  masked_attention(std::uint32_t heads, std::uint32_t dim, std::uint32_t candidates)
      : heads_(heads), dim_(dim), on_pages_(20 + sequence_tokens + recent_tokens), rows_(on_pages_ + candidates)
  {
    const std::size_t width = std::size_t{heads} * dim;
    queries_ = numbers(rows_ * width, 5);
    keys_ = numbers(rows_ * width, 6);
    values_ = numbers(rows_ * width, 7);
    results_.assign(rows_ * width, 0.0f);
    const std::uint32_t statics = 20 + sequence_tokens;
    for (std::uint32_t row = 0; row < rows_; ++row) {
      const bool is_candidate = row >= on_pages_;
      visible_.push_back(row < statics ? statics : is_candidate ? on_pages_ - row % 50 : row);
      positions_.push_back(row);
      tile_rows_.push_back(row);
    }
    std::stable_sort(tile_rows_.begin(), tile_rows_.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return end_of(a) < end_of(b); });
    lay_out();
    write_mask();
  }

  /// By a number a row, from pages.
  void by_prefix()
  {
    hstu::attention_batch batch;
    batch.rows.queries = queries_.data();
    batch.rows.outputs = results_.data();
    batch.rows.candidate_keys = keys_.data() + std::size_t{on_pages_} * heads_ * dim_;
    batch.rows.candidate_values = values_.data() + std::size_t{on_pages_} * heads_ * dim_;
    batch.rows.first_candidate = on_pages_;
    batch.rows.visible = visible_.data();
    batch.rows.positions = positions_.data();
    batch.rows.factor = factor;
    const hstu::key_stretch stretch{&view_, 0, 0};
    const hstu::request_keys keys{0, {&stretch, 1}};
    batch.keys = {&keys, 1};
    batch.tile_rows = tile_rows_;
    batch.heads = heads_;
    batch.head_dim = dim_;
    attention_.run(crew_, batch, tiles_, 0);
  }

  /// By a mask of N x N: every row with every key, `block` rows at a time, and what is not seen times 0. K and V lie by head, as
  /// products like them, and need no gathering.
  void by_mask(std::uint32_t block)
  {
    const hstu::elementwise& loops = hstu::best_elementwise();
    const std::uint32_t blocks = (rows_ + block - 1) / block;
    scores_.resize(crew_.size());
    crew_.each(std::size_t{blocks} * heads_, [&](std::size_t item, std::size_t member) {
      const std::size_t head = item % heads_;
      const std::size_t first = item / heads_ * block;
      const std::size_t count = (std::min)(std::size_t{block}, rows_ - first);
      const std::size_t width = std::size_t{heads_} * dim_;
      float* const scores = scores_[member].reserve(count * rows_);
      hstu::multiply_transposed(count, rows_, dim_, {queries_.data() + first * width + head * dim_, width},
                                {keys_by_head_.data() + head * rows_ * dim_, dim_}, {scores, rows_});
      for (std::size_t i = 0; i < count; ++i) {
        float* const row = scores + i * rows_;
        loops.silu(row, row, rows_);
        loops.multiply(row, row, mask_.data() + (first + i) * rows_, rows_);  // it has the factor, too
      }
      hstu::multiply(count, dim_, rows_, {scores, rows_},
                     {values_by_head_.data() + head * rows_ * value_stride_, value_stride_},
                     {results_.data() + first * width + head * dim_, width});
    });
  }

  [[nodiscard]] const std::vector<float>& results() const { return results_; }
  [[nodiscard]] std::uint32_t rows() const { return rows_; }
  [[nodiscard]] double pairs() const
  {
    double sum = 0;
    for (std::uint32_t row = 0; row < rows_; ++row) sum += end_of(row) + (row >= on_pages_ ? 1 : 0);
    return sum;
  }

 private:
  static constexpr float factor = 1.0f / 1024;
  static constexpr kvstrata::token_count page_tokens = 64;

  [[nodiscard]] std::uint32_t end_of(std::uint32_t row) const
  {
    return visible_[row] + (row < on_pages_ && positions_[row] == visible_[row] ? 1 : 0);
  }

  void lay_out()
  {
    const std::size_t width = std::size_t{heads_} * dim_;
    const kvstrata::geometry shape{1, heads_, dim_, kvstrata::element_type::f32};
    const std::size_t pages = (on_pages_ + page_tokens - 1) / page_tokens;
    std::vector<kvstrata::page_id> ids(pages);
    for (std::uint32_t i = 0; i < pages; ++i) ids[i] = kvstrata::to_page(i);
    table_.add(ids, 0, on_pages_, page_tokens);
    const std::size_t bytes = page_tokens * shape.token_layer_bytes();
    slab_.assign(pages * bytes / sizeof(float), 0.0f);
    view_ = table_.view(reinterpret_cast<std::byte*>(slab_.data()), {pages * bytes, bytes}, shape, page_tokens);
    for (std::uint32_t t = 0; t < on_pages_; ++t) {
      std::byte* const key = view_.key(0, 0, t);
      std::copy_n(keys_.begin() + static_cast<std::ptrdiff_t>(t * width), width, reinterpret_cast<float*>(key));
      std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(t * width), width,
                  reinterpret_cast<float*>(key + view_.value_offset()));
    }
    const std::size_t most = hstu::tiling{hstu::most_queries, 32, crew_.size()}.rows_for(std::size_t{rows_} * heads_);
    const auto end = [this](std::uint32_t row) { return end_of(row); };
    hstu::add_tiles(tiles_, 0, tile_rows_, 0, rows_, most, 0, end);
    hstu::sort_by_cost(tiles_);
    float* const keys = keys_by_head_.reserve(rows_ * width);
    float* const values = values_by_head_.reserve(rows_ * heads_ * value_stride_);
    for (std::size_t h = 0; h < heads_; ++h) {
      for (std::size_t t = 0; t < rows_; ++t) {
        std::copy_n(keys_.data() + t * width + h * dim_, dim_, keys + (h * rows_ + t) * dim_);
        std::copy_n(values_.data() + t * width + h * dim_, dim_, values + (h * rows_ + t) * value_stride_);
      }
    }
  }
  void write_mask()
  {
    mask_.assign(std::size_t{rows_} * rows_, 0.0f);
    for (std::uint32_t row = 0; row < rows_; ++row) {
      std::fill_n(mask_.begin() + static_cast<std::ptrdiff_t>(std::size_t{row} * rows_), end_of(row), factor);
      mask_[std::size_t{row} * rows_ + row] = factor;
    }
  }

  hstu::crew crew_{0};
  std::uint32_t heads_, dim_, on_pages_, rows_;
  std::size_t value_stride_ = hstu::spread_stride(dim_);
  std::vector<float> queries_, keys_, values_, results_, slab_, mask_;
  std::vector<std::uint32_t> visible_, positions_, tile_rows_;
  std::vector<hstu::query_tile> tiles_;
  kvstrata::page_table table_;
  kvstrata::page_table_view view_;
  hstu::tile_attention attention_;
  hstu::buffer keys_by_head_, values_by_head_;
  std::vector<hstu::buffer> scores_;
};

/// Candidates from which on N x N has three times the pairs that are seen, all of them dated after R.
std::uint32_t first_of_three_times()
{
  constexpr double statics = 20 + sequence_tokens, recents = recent_tokens, keys = statics + recents;
  for (std::uint32_t k = 1;; ++k) {
    const double seen = statics * statics + recents * statics + recents * (recents + 1) / 2 + k * (keys + 1);
    if ((keys + k) * (keys + k) >= 3 * seen) return k;
  }
}

void mask(int rounds, std::vector<bench::target>& targets)
{
  std::puts("a number a row, from pages, against a mask of N x N over dense K and V (heads of small, one layer)");
  for (const std::uint32_t candidates : {100u, 512u, 2048u}) {
    masked_attention bed(sizes[0].heads, sizes[0].hidden / sizes[0].heads, candidates);
    const double all = static_cast<double>(bed.rows()) * bed.rows();
    bed.by_prefix();
    const std::vector<float> right = bed.results();
    for (const std::uint32_t block : {bed.rows(), 256u}) {
      bed.by_mask(block);
      double apart = 0, most = 0;
      for (std::size_t i = 0; i < right.size(); ++i) {
        apart = (std::max)(apart, static_cast<double>(std::fabs(right[i] - bed.results()[i])));
        most = (std::max)(most, static_cast<double>(std::fabs(right[i])));
      }
      if (!(apart < 1e-4 * most)) {
        std::printf("the two differ by %g of %g\n", apart, most);
        std::exit(1);
      }
      std::vector<double> ratios;
      for (int round = 0; round < 2 * rounds; ++round) {
        const double mine = processor_seconds_of([&] { bed.by_prefix(); });
        ratios.push_back(processor_seconds_of([&] { bed.by_mask(block); }) / mine);
      }
      const bench::spread ratio = bench::spread_of(ratios);
      const bool whole = block == bed.rows();
      std::printf("  K = %4u, N = %u: %.2f times the pairs; mask %-19s %.2f times the time (%.2f to %.2f)\n",
                  candidates, bed.rows(), all / bed.pairs(), whole ? "at once:" : "by blocks of rows:", ratio.median,
                  ratio.low, ratio.high);
      if (candidates >= 512) {
        char stream[64];  // the pairs bound it: what both compute alike no mask saves
        std::snprintf(stream, sizeof stream, "K=%u,pairs_allow_%.2f", candidates, all / bed.pairs());
        targets.push_back(
            {whole ? "mtgr_over_mask" : "mtgr_over_mask_by_blocks", ratio.median, bench::better::more, 3, stream});
      }
    }
  }
  std::printf("  candidates dated after all of R: the pairs allow three times from K = %u on\n\n",
              first_of_three_times());
}

void paper_sizes(int rounds)
{
  std::puts(
      "the paper's sizes, random weights, f32. FLOPs of the paper's figures: 500 tokens, each seeing all, through "
      "whole\n"
      "layers, without making tokens and heads. Ours: a user of 1,100 tokens and K = 512, all that the pass "
      "multiplies\n"
      "(the last layer computes K and V alone of what is no candidate)");
  std::printf("  %-8s %9s %10s %12s %10s %10s %10s %12s %8s %9s\n", "", "paper, G", "500 tokens", "a request, G",
              "U and S", "R", "candidates", "a candidate", "ms", "GFLOP/s");
  for (const size& s : sizes) {
    const mtgr::model m(s.options());
    passes one(m, 1, 512);
    one.run();
    double least = 1e9;
    for (int round = 0; round < (std::max)(1, rounds / 3); ++round) {
      least = (std::min)(least, processor_seconds_of([&] { one.run(); }));
    }
    const mtgr::part_flops f = whole_flops(m.options(), 512);
    std::printf("  %-8s %9.2f %10.2f %12.1f %10.1f %10.1f %10.1f %12.3f %8.0f %9.1f\n", s.name.c_str(), s.paper,
                mtgr::paper_flops(m.options(), 500) / 1e9, f.all() / 1e9, f.statics / 1e9, f.recents / 1e9,
                f.candidates / 1e9, f.all() / 512 / 1e9, least * 1e3, f.all() / least / 1e9);
  }
  std::puts("");
}

}  // namespace

int main(int argc, char** argv)
{
  const int rounds = argc > 1 ? (std::max)(1, std::atoi(argv[1])) : 9;
  std::vector<bench::target> targets;
  const auto wanted = [argc, argv](std::string_view part) {
    return argc < 3 || std::find(argv + 2, argv + argc, part) != argv + argc;
  };
  if (wanted("compress")) compress(rounds, targets);
  if (wanted("mask")) mask(rounds, targets);
  if (wanted("sessions")) bench::sessions::run((rounds + 2) / 3, targets);
  if (wanted("sizes")) paper_sizes(rounds);
  for (const bench::target& t : targets) bench::print(t);
  return 0;
}
