// Everything but the speed, without a GPU: the model's kernels by hstu/gpu/emulated_block.hpp.
#include "gpu_replay/machines.hpp"
#include "gpu_replay/serve.hpp"
#include "hstu/gpu/emulated_pass.hpp"
#include "replay/caches_plain.hpp"

namespace gpu_replay {
namespace {

class emulated_machine
{
 public:
  using runner_type = hstu::gpu::emulated_runner;
  using place_type = place<runner_type>;
  using device_type = runner_type::device_type;

  explicit emulated_machine(const options& o) : device_({.trace = !o.serve.timeline.empty()}) {}

  [[nodiscard]] runner_type& runner() noexcept { return runner_; }
  [[nodiscard]] static bool measures() noexcept { return false; }
  [[nodiscard]] static std::vector<std::pair<std::string, std::string>> facts()
  {
    return {{"GPU", "none: an emulated device, and the model's kernels emulated on the CPU"}};
  }
  [[nodiscard]] static ceiling_sizes ceiling_size() { return {std::size_t{1} << 20, 32, 1}; }

  void copy_on_device(kvstrata::stream_id stream, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    const kvstrata::copy_piece piece{dst, src, bytes};
    device_.copy_kernel_launch(stream, {.label = "copy", .route = kvstrata::copy_route::on_device}, {&piece, 1});
  }

  [[nodiscard]] static replay::cache_kind<place_type> find(const std::string& key)
  {
    if (auto found = replay::caches::find_plain<place_type>(key)) return *std::move(found);
    throw kvstrata::config_error(
        "--cases", "'" + key + "'",
        "the emulated machine has none, device, synchronous, mtserve, default, split and prefetch");
  }

 private:
  device_type device_;
  runner_type runner_{device_};
};

}  // namespace

results run_emulated(const options& o, replay::progress& shown)
{
  emulated_machine m(o);
  return server<emulated_machine>(m, o, shown).run();
}

}  // namespace gpu_replay
