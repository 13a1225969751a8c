// How codes cross the link, chosen by name when a run begins.
#pragma once

#include <kvstrata/transfer/codes/direct_codes.hpp>
#include <kvstrata/transfer/codes/staged_codes.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sim {

/// What the caches that this thread makes next are to have.
inline thread_local bool codes_are_staged = false;

/// Multiprocessors that their kernels take.
inline constexpr std::uint32_t direct_sms = 16;
inline constexpr std::uint32_t staged_sms = 8;

struct chosen_codes
{
  using option_kind = kvstrata::codes_option;

  template <kvstrata::device Device>
  class on
  {
   public:
    on(Device& d, kvstrata::copy_direction direction)
    {
      if (codes_are_staged) staged_.emplace(d, direction);
      else direct_.emplace(d, direction);
    }

    [[nodiscard]] kvstrata::stream_id copy(const kvstrata::copy_list& list, kvstrata::layer_index layer,
                                           const kvstrata::fence& after, kvstrata::copied& out)
    {
      return staged_ ? staged_->copy(list, layer, after, out) : direct_->copy(list, layer, after, out);
    }

    void drain_sync() noexcept
    {
      if (staged_) staged_->drain_sync();
      else direct_->drain_sync();
    }

   private:
    std::optional<typename kvstrata::direct_codes<direct_sms>::template on<Device>> direct_;
    std::optional<typename kvstrata::staged_codes<std::size_t{4} << 20, 4, staged_sms>::template on<Device>> staged_;
  };
};

}  // namespace sim
