// The emulated device in real time as if it were any device: its memory is reached by copies alone, so suites that are
// meant for every device show here that they are. Its ordering checker watches the suites themselves, too.
#pragma once

#include "support/device_bed.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <memory>

namespace kvstrata_test {

class plain_device : public kvstrata::emulated_device
{
 public:
  plain_device() : kvstrata::emulated_device({.check_ordering = true, .trace = true}) {}
};

static_assert(kvstrata::device<plain_device>);

template <>
class device_bed<plain_device> : public copying_bed<plain_device>
{
 public:
  using copying_bed<plain_device>::copying_bed;
  [[nodiscard]] gate_keeper hold(kvstrata::stream_id stream)
  {
    const auto words = std::make_shared<gate_words>();
    device().launch(stream, {.label = "gate"}, [words] { pass_gate(*words); });
    remember(stream);
    return {words.get(), words};
  }
  [[nodiscard]] bool orderly() const { return device().violations().empty(); }
};

}  // namespace kvstrata_test
