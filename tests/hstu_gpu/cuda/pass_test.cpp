// The model on a GPU: against double precision, with any tokens in the pages, over caches, and products by themselves.
#include "hstu_gpu/cache_checks.hpp"
#include "hstu_gpu/cuda/cuda_machine.hpp"
#include "hstu_gpu/model_checks.hpp"

namespace {

using namespace hstu_gpu_test;

// A matrix in device memory, written from the host.
template <class T>
class device_matrix
{
 public:
  device_matrix(kvstrata::cuda_device& d, kvstrata::stream_id stream, const std::vector<T>& values)
      : device_(d), stream_(stream), count_(values.size()), memory_(d.allocate_device(count_ * sizeof(T), "matrix"))
  {
    device_.copy(stream_, kvstrata::copy_direction::to_device, memory_.data(),
                 reinterpret_cast<const std::byte*>(values.data()), memory_.size());
    device_.wait_sync(device_.record(stream_));
  }
  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  [[nodiscard]] std::vector<T> read()
  {
    std::vector<T> out(count_);
    device_.copy(stream_, kvstrata::copy_direction::from_device, reinterpret_cast<std::byte*>(out.data()),
                 memory_.data(), memory_.size());
    device_.wait_sync(device_.record(stream_));
    return out;
  }

 private:
  kvstrata::cuda_device& device_;
  kvstrata::stream_id stream_;
  std::size_t count_;
  kvstrata::cuda_device::memory memory_;
};

std::vector<bf16> random_matrix(generator& random, std::size_t count)
{
  std::vector<bf16> out(count);
  for (bf16& v : out) v = hstu::gpu::to_bf16(static_cast<float>(below(random, 2001)) / 1000.0f - 1.0f);
  return out;
}

double value_of(bf16 v) { return static_cast<double>(hstu::gpu::to_float(v)); }

}  // namespace

TEST_CASE("products by cuBLASLt are those of plain loops, at any rows and strides", "[hstu]")
{
  generator random(51);
  cuda_machine machine;
  auto& d = machine.machine().device();
  const auto stream = d.create_stream("compute");
  constexpr std::size_t inner = 72, columns = 136;
  constexpr std::size_t a_stride = 80, b_stride = 544, c_stride = 144;
  for (const std::size_t rows : {1u, 7u, 64u, 65u, 127u, 300u, 1000u}) {
    for (const bool adds : {false, true}) {
      const std::vector<bf16> a = random_matrix(random, (rows + 1) * a_stride);
      const std::vector<bf16> b = random_matrix(random, inner * b_stride);
      device_matrix<bf16> on_a(d, stream, a), on_b(d, stream, b);
      device_matrix<bf16> to(d, stream, std::vector<bf16>((rows + 1) * c_stride, bf16{0x4000}));  // 2
      device_matrix<float> sums(d, stream, std::vector<float>((rows + 1) * c_stride, 2.0f));
      hstu::gpu::product p;
      p.rows = rows;
      p.columns = columns;
      p.inner = inner;
      p.a = {on_a.data() + a_stride, a_stride};  // from the second row on: less aligned
      p.b = {on_b.data(), b_stride};
      if (adds) p.sums = {sums.data(), c_stride};
      else p.c = {to.data(), c_stride};
      machine.machine().multiply(stream, "test", p);
      const std::vector<bf16> found = to.read();
      const std::vector<float> added = sums.read();
      std::vector<double> wanted, got;
      bool kept = true;
      for (std::size_t row = 0; row <= rows; ++row) {
        for (std::size_t column = 0; column < c_stride; ++column) {
          const std::size_t at = row * c_stride + column;
          const double now = adds ? static_cast<double>(added[at]) : value_of(found[at]);
          if (row == rows || column >= columns) {
            kept = kept && now == 2.0;
            continue;
          }
          double sum = adds ? 2.0 : 0.0;
          for (std::size_t k = 0; k < inner; ++k) {
            sum += value_of(a[(row + 1) * a_stride + k]) * value_of(b[k * b_stride + column]);
          }
          wanted.push_back(sum);
          got.push_back(now);
        }
      }
      INFO("rows " << rows << (adds ? ", added" : ", bf16"));
      CHECK(kept);
      CHECK(relative_error(got, wanted) < (adds ? 1e-5 : 3e-3));
    }
  }
}

TEST_CASE("on a GPU scores, K and V are near a double-precision reference", "[hstu]")
{
  generator random(52);
  hstu::config c = small_config();
  for (const std::uint32_t head_dim : {64u, 128u, 256u}) {
    c.head_dim = head_dim;
    for (const kvstrata::token_count tokens : {0u, 1u, 2u, 33u, 64u, 200u}) {
      c.seed = random();
      check_reference<cuda_machine>(random, c, user(random, tokens, below(random, 150)), 8u << below(random, 4));
    }
  }
  c = small_config();
  c.hidden = 264;
  c.position_buckets = c.time_buckets = 0;
  check_reference<cuda_machine>(random, c, user(random, c.max_tokens, 5), 32);
}

TEST_CASE("on a GPU any compute lists of any batch give nearly the same answer", "[hstu]")
{
  generator random(53);
  const hstu::config c = small_config();
  for (int round = 0; round < 4; ++round) {
    check_compute_lists<cuda_machine>(random, c, users_of(random, {500, 0, 1, 33, 130, 64}, 300),
                                      8u << below(random, 4));
  }
}

TEST_CASE("on a GPU windows that begin inside a page, and move, are near a double-precision reference", "[hstu]")
{
  generator random(54);
  hstu::config c = small_config();
  for (const kvstrata::token_count page_tokens : {8u, 32u, 256u}) {
    user u(random, 300, 40);
    u.first_token = 101;
    u.compute = {{101, 300}};
    check_reference<cuda_machine>(random, c, u, page_tokens);
    check_moved_window<cuda_machine>(random, c, u, 50, 270, page_tokens);
  }
  check_compute_lists<cuda_machine>(random, c, with_windows(users_of(random, {500, 0, 40, 330}, 300), {21, 0, 40, 129}),
                                    64);
}

TEST_CASE("on a GPU cached answers are near recomputed ones", "[hstu]") { check_caches<cuda_machine>(100); }
