// Codes across the link by the kernel that encodes or decodes them: it reads or writes pinned memory itself, in one pass and with
// no memory beside. As kernel_copy does it takes Sms multiprocessors (0: all) for as long as the link takes.
//
// Between two memories the same is a copy on the host.
#pragma once

#include <kvstrata/transfer/codes/coded_pieces.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct codes_option;

template <std::uint32_t Sms = 16>
struct direct_codes
{
  using option_kind = codes_option;

  template <device Device>
  class on
  {
   public:
    on(Device& d, copy_direction direction)
        : device_(&d), direction_(direction), stream_(create_copy_stream(d, name_of(direction)))
    {
    }

    /// Queues the list's encoded pages of one layer after `after`, and adds to the counts of `out`. Returns the stream that they
    /// are over on.
    [[nodiscard]] stream_id copy(const copy_list& list, layer_index layer, const fence& after, copied& out)
    {
      wait_for(*device_, stream_, after);
      each_coding(list, layer, pieces_, [&](coding how, std::span<const coded_piece> pieces) {
        device_->code_kernel_launch(stream_, {.label = name_of(direction_), .route = route_of(direction_), .sms = Sms},
                                    how, pieces);
        ++out.calls;
        out.pieces += pieces.size();
      });
      return stream_;
    }

    void drain_sync() noexcept { drain_stream_sync(*device_, stream_); }

   private:
    [[nodiscard]] static constexpr std::string_view name_of(copy_direction direction) noexcept
    {
      return direction == copy_direction::to_device     ? "onload decode"
             : direction == copy_direction::from_device ? "offload encode"
                                                        : "demote codes";
    }
    [[nodiscard]] static constexpr copy_route route_of(copy_direction direction) noexcept
    {
      return direction == copy_direction::to_device     ? copy_route::to_device
             : direction == copy_direction::from_device ? copy_route::from_device
                                                        : copy_route::on_host;
    }

    Device* device_;
    copy_direction direction_;
    stream_id stream_;
    std::vector<coded_piece> pieces_;
  };
};

}  // namespace kvstrata
