// The kernels between the products, each against double precision, for widths that fill a warp's registers and that
// do not.
#include "hstu/gpu/activate.hpp"
#include "hstu/gpu/add_row.hpp"
#include "hstu/gpu/embed.hpp"
#include "hstu/gpu/emulated_block.hpp"
#include "hstu/gpu/normalise.hpp"
#include "hstu/gpu/score.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace hstu::gpu;

constexpr float no_float = std::numeric_limits<float>::quiet_NaN();
constexpr bf16 poison{0xFFFF};
constexpr double bf16_step = 1.0 / 256;  // twice the relative error of a rounding
constexpr std::uint32_t widths[] = {8, 64, 248, 256, 264, 512, 520, 1024, 1032, 2048, 2056, 4096};

// Memory on 256 bytes, as a device's.
template <class T>
class array
{
 public:
  array(std::size_t count, T value) : bytes_(count * sizeof(T) + 256)
  {
    void* at = bytes_.data();
    std::size_t space = bytes_.size();
    data_ = static_cast<T*>(std::align(256, count * sizeof(T), at, space));
    count_ = count;
    std::uninitialized_fill_n(data_, count, value);
  }
  array(const array&) = delete;
  array& operator=(const array&) = delete;

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] T* begin() { return data_; }
  [[nodiscard]] T* end() { return data_ + count_; }
  [[nodiscard]] T& operator[](std::size_t i) { return data_[i]; }

 private:
  std::vector<std::byte> bytes_;
  T* data_ = nullptr;
  std::size_t count_ = 0;
};

class numbers
{
 public:
  explicit numbers(std::uint64_t seed) : random_(seed) {}
  float next() { return std::uniform_real_distribution<float>(-2, 2)(random_); }
  void fill(float* to, std::size_t count, float offset = 0)
  {
    for (std::size_t i = 0; i < count; ++i) to[i] = next() + offset;
  }
  void fill(bf16* to, std::size_t count, float offset = 0)
  {
    for (std::size_t i = 0; i < count; ++i) to[i] = to_bf16(next() + offset);
  }

 private:
  std::mt19937_64 random_;
};

double value_of(float x) { return static_cast<double>(x); }
double value_of(bf16 x) { return static_cast<double>(to_float(x)); }
double silu(double x) { return x / (1 + std::exp(-x)); }

bool near(double found, double wanted) { return std::abs(found - wanted) <= bf16_step * std::abs(wanted) + 1e-4; }

template <class T>
std::vector<double> normalised(const T* row, std::size_t width, double epsilon)
{
  double mean = 0;
  double variance = 0;
  for (std::size_t i = 0; i < width; ++i) mean += value_of(row[i]) / static_cast<double>(width);
  for (std::size_t i = 0; i < width; ++i) {
    variance += (value_of(row[i]) - mean) * (value_of(row[i]) - mean) / static_cast<double>(width);
  }
  std::vector<double> out;
  for (std::size_t i = 0; i < width; ++i) out.push_back((value_of(row[i]) - mean) / std::sqrt(variance + epsilon));
  return out;
}

}  // namespace

TEST_CASE("normalise: mean 0, variance 1, rows outside untouched", "[hstu]")
{
  numbers random(1);
  constexpr std::size_t rows = 7;
  for (const std::uint32_t width : widths) {
    const std::size_t in = width + 4;
    const std::size_t out = width + 8;
    array<float> residual(rows * in, no_float);
    array<bf16> normal(rows * out, poison);
    // A mean far off costs nothing, because squares are of what differs from it.
    for (std::size_t r = 1; r < 6; ++r) random.fill(&residual[r * in], width, r == 3 ? 1000.0f : 0.5f);
    with_row_kernel<normalise_kernel>(width, [&](auto k) {
      k.first_row = 1;
      k.last_row = 6;
      k.residual = {residual.data(), in};
      k.normal = {normal.data(), out};
      k.width = width;
      k.epsilon = 1e-6f;
      run_emulated(k);
    });
    bool right = true;
    for (std::size_t r = 0; r < rows; ++r) {
      const bool computed = r >= 1 && r < 6;
      const std::vector<double> wanted = normalised(&residual[r * in], computed ? width : 0, 1e-6);
      for (std::size_t i = 0; i < out; ++i) {
        const bf16 found = normal[r * out + i];
        right = right && (i < wanted.size() ? std::abs(value_of(found) - wanted[i]) < 0.01 * std::abs(wanted[i]) + 1e-3
                                            : found == poison);
      }
    }
    INFO("width " << width);
    CHECK(right);
  }
}

TEST_CASE("normalise and gate: in place, for rows that are all the same too", "[hstu]")
{
  numbers random(2);
  constexpr std::size_t rows = 6;
  for (const std::uint32_t width : widths) {
    const std::size_t stride = 4 * width;
    array<bf16> attended(rows * width, poison);
    array<bf16> gate(rows * stride, poison);
    for (std::size_t r = 1; r < 6; ++r) {
      random.fill(&attended[r * width], width);
      random.fill(&gate[r * stride], width);
    }
    std::fill_n(&attended[2 * width], width, to_bf16(0.25f));  // variance 0
    // Small values: epsilon counts.
    for (std::size_t i = 0; i < width; ++i)
      attended[3 * width + i] = to_bf16(1e-3f * to_float(attended[3 * width + i]));
    std::vector<std::vector<double>> wanted;
    for (std::size_t r = 0; r < rows; ++r) wanted.push_back(normalised(&attended[r * width], width, 1e-6));
    with_row_kernel<normalise_gate_kernel>(width, [&](auto k) {
      k.first_row = 1;
      k.last_row = 6;
      k.attended = {attended.data(), width};
      k.gate = {gate.data(), stride};
      k.width = width;
      k.epsilon = 1e-6f;
      run_emulated(k);
    });
    bool right = true;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t i = 0; i < width; ++i) {
        const bf16 found = attended[r * width + i];
        right =
            right && (r == 0 ? found == poison : near(value_of(found), wanted[r][i] * value_of(gate[r * stride + i])));
      }
    }
    INFO("width " << width);
    CHECK(right);
  }
}

TEST_CASE("embed: items, actions and positions, exactly", "[hstu]")
{
  numbers random(3);
  for (const std::uint32_t width : widths) {
    array<bf16> items(5 * width, poison), actions(3 * width, poison), positions(9 * width, poison);
    random.fill(items.data(), 5 * width);
    random.fill(actions.data(), 3 * width);
    random.fill(positions.data(), 9 * width);
    const std::uint32_t tokens[] = {4, 2 | action_token, 0, 0 | action_token, 3};
    const std::uint32_t at[] = {0, 1, 8, 3, 4};
    array<float> residual(6 * width, no_float);
    embed_kernel k;
    k.last_row = 5;
    k.items = items.data();
    k.actions = actions.data();
    k.position_rows = positions.data();
    k.tokens = tokens;
    k.positions = at;
    k.residual = {residual.data(), width};
    k.hidden = width;
    run_emulated(k);
    bool right = true;
    for (std::size_t r = 0; r < 5; ++r) {
      const std::size_t row = tokens[r] & ~action_token;
      for (std::size_t i = 0; i < width; ++i) {
        const bf16 token = (tokens[r] & action_token) != 0 ? actions[row * width + i] : items[row * width + i];
        right = right && residual[r * width + i] == to_float(token) + to_float(positions[at[r] * width + i]);
      }
    }
    for (std::size_t i = 0; i < width; ++i) right = right && std::isnan(residual[5 * width + i]);
    INFO("width " << width);
    CHECK(right);
  }
}

TEST_CASE("activate: history rows' K and V to their pages, all else in place", "[hstu]")
{
  numbers random(4);
  constexpr std::size_t rows = 9;           // the last is of no launch
  constexpr std::uint32_t history = 5;      // then candidates
  constexpr std::uint32_t first_whole = 3;  // rows in front have no U and Q
  for (const std::uint32_t width : {8u, 64u, 256u, 264u, 512u, 1024u}) {
    array<bf16> projected(rows * 4 * width, poison);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t skip = r < first_whole ? 2 * width : 0;
      random.fill(&projected[r * 4 * width + skip], 4 * width - skip);
    }
    std::vector<bf16> was(projected.begin(), projected.end());
    array<bf16> page(2 * 8 * width, poison);  // K, V of eight tokens
    const std::uint64_t slots[history] = {7 * width * 2, 2 * width * 2, 0, 3 * width * 2, 5 * width * 2};
    activate_kernel k;
    k.last_row = rows - 1;
    k.projected = {projected.data(), 4 * width};
    k.slots = slots;
    k.base = reinterpret_cast<std::byte*>(page.data());
    k.value_offset = 8 * width * 2;
    k.first_whole = first_whole;
    k.first_candidate = history;
    k.width = width;
    run_emulated(k);

    const auto is_silu = [&](bf16 found, bf16 from) { return near(value_of(found), silu(value_of(from))); };
    bool right = true;
    std::vector<bool> written(2 * 8 * width, false);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t i = 0; i < 4 * width; ++i) {
        const std::size_t at = r * 4 * width + i;
        const bool key_or_value = i >= 2 * width;
        if (r < history && key_or_value) {
          const std::size_t to = slots[r] / 2 + i % width + (i >= 3 * width ? 8 * width : 0);
          written[to] = true;
          right = right && is_silu(page[to], was[at]) && projected[at] == was[at];
        } else if (r == rows - 1 || (r < first_whole && !key_or_value)) {
          right = right && projected[at] == was[at];
        } else {
          right = right && is_silu(projected[at], was[at]);
        }
      }
    }
    for (std::size_t i = 0; i < written.size(); ++i) right = right && (written[i] || page[i] == poison);
    INFO("width " << width);
    CHECK(right);
  }
}

TEST_CASE("normalise and gate with a weight and a bias, each there or not", "[hstu]")
{
  numbers random(6);
  constexpr std::size_t rows = 3;
  for (const std::uint32_t width : widths) {
    array<bf16> attended(rows * width, poison), gate(rows * width, poison);
    array<float> weight(width, 0), bias(width, 0);
    random.fill(weight.data(), width);
    random.fill(bias.data(), width);
    random.fill(gate.data(), rows * width);
    for (const bool weighted : {false, true}) {
      for (const bool biased : {false, true}) {
        random.fill(attended.data(), rows * width);
        std::vector<std::vector<double>> wanted;
        for (std::size_t r = 0; r < rows; ++r) wanted.push_back(normalised(&attended[r * width], width, 1e-5));
        with_row_kernel<normalise_affine_gate_kernel>(width, [&](auto k) {
          k.last_row = rows;
          k.attended = {attended.data(), width};
          k.gate = {gate.data(), width};
          if (weighted) k.weight = weight.data();
          if (biased) k.bias = bias.data();
          k.width = width;
          k.epsilon = 1e-5f;
          run_emulated(k);
        });
        bool right = true;
        for (std::size_t r = 0; r < rows; ++r) {
          for (std::size_t i = 0; i < width; ++i) {
            const double affine =
                wanted[r][i] * (weighted ? value_of(weight[i]) : 1) + (biased ? value_of(bias[i]) : 0);
            right = right && near(value_of(attended[r * width + i]), affine * value_of(gate[r * width + i]));
          }
        }
        INFO("width " << width << " weighted " << weighted << " biased " << biased);
        CHECK(right);
      }
    }
  }
}

TEST_CASE("activate as trained layers have it: bias, alpha on Q, SiLU of U alone", "[hstu]")
{
  numbers random(7);
  constexpr std::uint32_t rows = 2;
  for (const std::uint32_t width : {8u, 264u}) {
    for (const int options : {0, 1, 2, 3}) {
      array<bf16> projected(rows * 4 * width, poison);
      random.fill(projected.data(), rows * 4 * width);
      array<float> bias(4 * width, 0);
      random.fill(bias.data(), 4 * width);
      const std::vector<bf16> was(projected.begin(), projected.end());
      activate_trained_kernel k;
      k.last_row = rows;
      k.projected = {projected.data(), 4 * width};
      k.width = width;
      k.alpha = 0.375f;
      k.gates_only = options % 2 == 1;
      if (options / 2 == 1) k.bias = bias.data();
      run_emulated(k);
      bool right = true;
      for (std::size_t at = 0; at < was.size(); ++at) {
        const std::size_t column = at % (4 * width);
        const std::size_t part = column / width;
        double x = value_of(was[at]) + (options / 2 == 1 ? value_of(bias[column]) : 0);
        if (part == 0 || options % 2 == 0) x = silu(x);
        right = right && near(value_of(projected[at]), part == 1 ? x * 0.375 : x);
      }
      INFO("width " << width << " options " << options);
      CHECK(right);
    }
  }
}

TEST_CASE("a row is added to some rows, and to no other", "[hstu]")
{
  numbers random(8);
  for (const std::uint32_t width : widths) {
    array<float> rows(4 * width, 0), bias(width, 0);
    random.fill(rows.data(), 4 * width);
    random.fill(bias.data(), width);
    std::vector<float> wanted(rows.begin(), rows.end());
    for (std::size_t i = 0; i < 2 * width; ++i) wanted[width + i] += bias[i % width];
    add_row_kernel k;
    k.first_row = 1;
    k.last_row = 3;
    k.residual = {rows.data(), width};
    k.bias = bias.data();
    k.width = width;
    run_emulated(k);
    CHECK(std::equal(wanted.begin(), wanted.end(), rows.begin()));
  }
}

TEST_CASE("score: any number of tasks", "[hstu]")
{
  numbers random(5);
  for (const std::uint32_t tasks : {1u, 3u, 4u, 5u, 9u}) {
    for (const std::uint32_t width : {8u, 256u, 520u}) {
      array<bf16> inner(6 * width, poison), by_task(tasks * width, poison);
      random.fill(inner.data(), 5 * width);
      random.fill(by_task.data(), tasks * width);
      array<float> scores(6 * tasks, no_float);
      score_kernel k;
      k.last_row = 5;
      k.inner = {inner.data(), width};
      k.by_task = by_task.data();
      k.scores = scores.data();
      k.hidden = width;
      k.tasks = tasks;
      run_emulated(k);
      bool right = true;
      for (std::size_t r = 0; r < 5; ++r) {
        for (std::size_t t = 0; t < tasks; ++t) {
          double sum = 0;
          for (std::size_t i = 0; i < width; ++i) {
            sum += silu(value_of(inner[r * width + i])) * value_of(by_task[t * width + i]);
          }
          right = right && std::abs(value_of(scores[r * tasks + t]) - sum) < 1e-3;
        }
      }
      for (std::size_t t = 0; t < tasks; ++t) right = right && std::isnan(scores[5 * tasks + t]);
      INFO("tasks " << tasks << " width " << width);
      CHECK(right);
    }
  }
}
