// A transfer policy of any type behind one interface, so that the long tests are compiled once and not once per policy.
#pragma once

#include <kvstrata/transfer/concepts.hpp>

#include <memory>
#include <span>

namespace kvstrata_test {

/// `relocate` is called only where the transfer lands in a window.
class any_channel
{
 public:
  virtual ~any_channel() = default;
  virtual kvstrata::ticket onload(const kvstrata::copy_list& list, const kvstrata::fence& after) = 0;
  virtual kvstrata::ticket offload(const kvstrata::copy_list& list, std::span<const kvstrata::event> ready,
                                   const kvstrata::fence& after) = 0;
  virtual kvstrata::ticket relocate(const kvstrata::copy_list& list, const kvstrata::ticket& landed,
                                    const kvstrata::fence& after) = 0;
};

template <class Device>
using channel_maker = std::unique_ptr<any_channel> (*)(Device&);

/// Waits for all of its tickets when it goes: what they copy to and from goes next.
template <class Transfer, class Device>
class some_channel final : public any_channel
{
 public:
  explicit some_channel(Device& d) : device_(&d), channel_(d) {}
  some_channel(const some_channel&) = delete;
  some_channel& operator=(const some_channel&) = delete;
  ~some_channel() override
  {
    try {
      kvstrata::wait_for_sync(*device_, last_);
    } catch (...) {  // a failed device runs nothing any more
    }
  }
  kvstrata::ticket onload(const kvstrata::copy_list& list, const kvstrata::fence& after) override
  {
    return noted(channel_.onload(list, after));
  }
  kvstrata::ticket offload(const kvstrata::copy_list& list, std::span<const kvstrata::event> ready,
                           const kvstrata::fence& after) override
  {
    return noted(channel_.offload(list, ready, after));
  }
  kvstrata::ticket relocate([[maybe_unused]] const kvstrata::copy_list& list,
                            [[maybe_unused]] const kvstrata::ticket& landed,
                            [[maybe_unused]] const kvstrata::fence& after) override
  {
    if constexpr (Transfer::lands_in_window) return noted(channel_.relocate(list, landed, after));
    else return {};
  }

 private:
  kvstrata::ticket noted(kvstrata::ticket t)
  {
    last_.add(t.last());
    return t;
  }

  Device* device_;
  typename Transfer::template on<Device> channel_;
  kvstrata::fence last_;
};

}  // namespace kvstrata_test
