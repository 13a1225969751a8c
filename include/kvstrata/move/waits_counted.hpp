// Tells of frames that had to be taken while another compute stream's work still used them.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of what is taken of a level while it lives. Not synchronised.
template <level_index Level, class Residency>
class waits_counted
{
 public:
  explicit waits_counted(Residency& r) noexcept : residency_(&r), before_(now()) {}
  waits_counted(const waits_counted&) = delete;
  waits_counted& operator=(const waits_counted&) = delete;
  ~waits_counted()
  {
    if (const std::uint64_t pages = now() - before_; pages != 0) {
      tell(residency_->tracker(), frames_waited{.level = Level, .pages = pages});
    }
  }

 private:
  [[nodiscard]] std::uint64_t now() const noexcept { return residency_->template level<Level>().memory().waited_for(); }

  Residency* residency_;
  std::uint64_t before_;
};

}  // namespace kvstrata
