// The machine of dry runs and of the tests of the benchmarks: an emulated device in virtual time, whose figures follow
// from its description alone. They are no measurements.
#pragma once

#include "machine.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

struct emulated_machine_config
{
  kvstrata::emulated_device_config device{.time = kvstrata::time_mode::virtual_time,
                                          .to_device = {50e9, 4e-6, 1e-7},
                                          .from_device = {50e9, 4e-6, 1e-7},
                                          .copy_kernels = {4e-6, 4e9, 2e12, 2e10}};
  double product_seconds = 1e-4;
  double product_flops = 1e10;
};

class emulated_machine
{
 public:
  using device_type = kvstrata::emulated_device;

  explicit emulated_machine(emulated_machine_config c = {}) : config_(traced(std::move(c))), device_(config_.device) {}

  [[nodiscard]] device_type& device() noexcept { return device_; }
  [[nodiscard]] bool measures() const noexcept { return false; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts() const
  {
    return {{"GPU", "none: an emulated device in virtual time, whose figures are those of its description"}};
  }

  [[nodiscard]] kvstrata::stream_id stream(std::string_view name)
  {
    const auto found = streams_.find(name);
    if (found != streams_.end()) return found->second;
    return streams_.emplace(std::string(name), device_.create_stream(name)).first->second;
  }

  [[nodiscard]] time_mark mark(kvstrata::stream_id stream)
  {
    device_.launch(stream, {.label = label_of(marks_.size())}, [] {});
    marks_.push_back({.at = device_.record(stream)});
    return static_cast<time_mark>(marks_.size() - 1);
  }
  [[nodiscard]] double seconds(time_mark from, time_mark to)
  {
    const double begin = time_of(static_cast<std::size_t>(from));
    return time_of(static_cast<std::size_t>(to)) - begin;
  }
  void forget_marks()
  {
    marks_.clear();
    device_.clear_trace();
  }

  void product(kvstrata::stream_id stream)
  {
    device_.launch(stream, {.label = "product", .seconds = config_.product_seconds}, [] {});
  }
  [[nodiscard]] double product_flops() const noexcept { return config_.product_flops; }
  void copy_on_device(kvstrata::stream_id stream, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    const kvstrata::copy_piece piece{dst, src, bytes};
    device_.copy_kernel_launch(stream, {.label = "copy", .route = kvstrata::copy_route::on_device}, {&piece, 1});
  }

 private:
  struct one_mark
  {
    kvstrata::event at;
    double seconds = -1;  // of virtual time; below 0: not known yet
  };

  static emulated_machine_config traced(emulated_machine_config c)
  {
    c.device.trace = true;
    return c;
  }
  static std::string label_of(std::size_t number) { return "mark " + std::to_string(number); }

  double time_of(std::size_t number)
  {
    if (marks_[number].seconds < 0) {
      device_.wait_sync(marks_[number].at);
      for (const kvstrata::op_span& span : device_.trace()) {
        if (span.label.starts_with("mark ")) marks_[std::stoul(span.label.substr(5))].seconds = span.begin;
      }
      device_.clear_trace();
    }
    return marks_[number].seconds;
  }

  emulated_machine_config config_;
  device_type device_;
  std::map<std::string, kvstrata::stream_id, std::less<>> streams_;
  std::vector<one_mark> marks_;
};

static_assert(machine<emulated_machine>);

}  // namespace bench
