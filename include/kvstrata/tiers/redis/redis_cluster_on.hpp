// A redis_cluster on a device (tiers/redis_cluster.hpp): its calls, and what is under way.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/redis/cluster_records.hpp>
#include <kvstrata/tiers/redis/config.hpp>
#include <kvstrata/tiers/stores/codes/coded_store.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>
#include <kvstrata/tiers/stores/page_bytes.hpp>
#include <kvstrata/tiers/stores/store_ios.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The store itself. Values go from the caller's memory to a socket and back: what of a value comes together with the one
/// before it is copied once (at most 4 KiB), all else is not.
template <host_stream_device Device>
class redis_cluster_on
{
 public:
  using device_type = Device;
  using config_type = redis_cluster_config;
  static constexpr std::string_view name = "redis_cluster";

  /// Asks the servers that are named for the others. Blocks for connect_seconds a server that does not answer. Throws
  /// config_error for nonsense, error where no server tells of a cluster: the text says which, and why, without the password.
  redis_cluster_on(Device& d, const redis_cluster_config& c)
      : redis_cluster_on(d, stores::without_code(c, name), opened{})
  {
  }
  redis_cluster_on(const redis_cluster_on&) = delete;
  redis_cluster_on& operator=(const redis_cluster_on&) = delete;
  ~redis_cluster_on() { close(); }

  [[nodiscard]] found_record find(const sequence_key& key)
  {
    if (closed_.load(std::memory_order_acquire)) return {};
    return records_.find(key);
  }

  [[nodiscard]] std::optional<store_promise> ask(const sequence_key& key)
  {
    return begin(0, [&](redis::cluster_io& io) {
      io.what = redis::cluster_io::kind::ask;
      io.key = key;
    });
  }

  [[nodiscard]] std::optional<store_promise> put(const sequence_key& key, const record_header& header,
                                                 std::span<const io_piece> from, const fence& ready)
  {
    const std::uint32_t page_bytes = bytes_of_a_page(from, header, header.pages().size(), "put");
    return begin(std::size_t{page_bytes} * header.pages().size(), [&](redis::cluster_io& io) {
      io.what = redis::cluster_io::kind::put;
      io.key = key;
      io.header = header;
      io.page_bytes = page_bytes;
      io.use(from, ready);
      // Puts of one sequence reach the cluster in the order of their calls.
      ios_.each([&io](const redis::cluster_io& other) {
        const bool before = other.what == redis::cluster_io::kind::put && other.key == io.key && !other.is_over();
        if (before) io.ready.add(other.point);
      });
    });
  }

  [[nodiscard]] std::optional<store_promise> get(const sequence_key& key, const record_header& header,
                                                 token_interval wanted, std::span<const io_piece> into,
                                                 const fence& ready)
  {
    return begin_get(key, header, wanted, into, ready, 1);
  }
  /// As get. `layers` are points for each layer, in their order, and the promise's is the last: when one passes the layer's
  /// bytes are there and were checked, or the get is lost, which the outcome tells in the end.
  [[nodiscard]] std::optional<store_promise> get_by_layer(const sequence_key& key, const record_header& header,
                                                          token_interval wanted, std::span<const io_piece> into,
                                                          const fence& ready, std::vector<event>& layers)
  {
    layers.reserve(config_.layers);  // what has begun is told: nothing may fail from there on
    const auto out = begin_get(key, header, wanted, into, ready, config_.layers);
    const std::lock_guard lock(mutex_);
    if (out) layers = ios_.layer_points(*out);
    return out;
  }

  void erase(const sequence_key& key) noexcept
  {
    const std::lock_guard lock(mutex_);
    if (closed_.load(std::memory_order_relaxed)) return;
    ios_.each([&key](redis::cluster_io& io) {
      if (io.key == key && io.what != redis::cluster_io::kind::flush) io.erased = true;
    });
    records_.erase(key);
  }

  /// Done: no process finds anything that was erased here before. What was put is as durable as the cluster makes it.
  [[nodiscard]] std::optional<store_promise> flush()
  {
    return begin(0, [](redis::cluster_io& io) { io.what = redis::cluster_io::kind::flush; });
  }

  [[nodiscard]] std::optional<store_outcome> poll(const store_promise& promise) noexcept
  {
    const std::lock_guard lock(mutex_);
    if (ios_.may_tell(promise)) return finish(promise);
    return ios_.has(promise) ? std::nullopt : std::optional(store_outcome{loss::closed});
  }

  void give_up_sync(const store_promise& promise) noexcept
  {
    const std::lock_guard lock(mutex_);
    ios_.end_sync(promise);
    if (ios_.has(promise)) static_cast<void>(finish(promise));
  }

  void close() noexcept
  {
    const std::lock_guard lock(mutex_);
    if (closed_.exchange(true)) return;
    ios_.end_all_sync();
    records_.close_sync();
  }

  /// What has begun and was not told yet.
  [[nodiscard]] std::size_t under_way() const
  {
    const std::lock_guard lock(mutex_);
    return ios_.size();
  }
  [[nodiscard]] const redis_cluster_config& config() const noexcept { return config_; }
  [[nodiscard]] redis::cluster_figures figures() { return records_.figures(); }

 protected:
  struct opened
  {
  };
  redis_cluster_on(Device& d, const redis_cluster_config& c, opened)
      : config_(moves_bytes(d, c)), records_(c), ios_(d, name, c.lanes, c.in_flight, 1, c.workers)
  {
  }

 private:
  static const redis_cluster_config& moves_bytes(Device& d, const redis_cluster_config& c)
  {
    if constexpr (requires { d.config().data; }) {
      if (!d.config().data)
        throw usage_error("redis_cluster: this device moves no bytes, so that there is nothing to keep");
    }
    return c;
  }

  [[nodiscard]] std::uint32_t bytes_of_a_page(std::span<const io_piece> pieces, const record_header& header,
                                              page_count pages, const char* call) const
  {
    return stores::bytes_of_a_page(name, call, pieces, header, pages, config_.layers, config_.code.get());
  }

  [[nodiscard]] std::optional<store_promise> begin_get(const sequence_key& key, const record_header& header,
                                                       token_interval wanted, std::span<const io_piece> into,
                                                       const fence& ready, std::uint32_t layers)
  {
    if (!header.tokens.contains(wanted)) throw usage_error("redis_cluster: get wants tokens that the record has not");
    const page_count pages = pages_of(wanted, header.page_tokens).size();
    const std::uint32_t page_bytes = bytes_of_a_page(into, header, pages, "get");
    return begin(std::size_t{page_bytes} * pages, [&](redis::cluster_io& io) {
      io.what = redis::cluster_io::kind::get;
      io.key = key;
      io.header = header;
      io.wanted = wanted;
      io.page_bytes = page_bytes;
      io.use(into, ready);
      if (layers > 1) io.come_by_layer(layers);
    });
  }

  template <class Fill>
  std::optional<store_promise> begin(std::size_t bytes, Fill&& fill)
  {
    const std::lock_guard lock(mutex_);
    if (closed_.load(std::memory_order_relaxed)) return std::nullopt;
    const auto lane = ios_.next_lane();
    if (!lane) return std::nullopt;
    auto made = std::make_unique<redis::cluster_io>();
    fill(*made);
    made->whom = &records_;
    made->carry_out = [](void* whom, redis::cluster_io& what) noexcept {
      static_cast<redis::cluster_records*>(whom)->carry_out(what);
    };
    return ios_.begin(std::move(made), *lane, false,
                      config_.seconds + static_cast<double>(bytes) / config_.bytes_per_second);
  }

  /// The lock is held.
  store_outcome finish(const store_promise& promise) noexcept
  {
    const std::unique_ptr<redis::cluster_io> io = ios_.take(promise);
    if (io->what == redis::cluster_io::kind::get && io->erased && io->outcome.done()) return {loss::gone};
    return io->outcome;
  }

  mutable std::mutex mutex_;
  std::atomic<bool> closed_{false};
  redis_cluster_config config_;
  redis::cluster_records records_;
  detail::store_ios<Device, redis::cluster_io> ios_;  // ends first: its threads use the records
};

}  // namespace kvstrata
