// An nvme_file on a device (tiers/nvme_file.hpp): its calls, and what is under way.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/virtual_time.hpp>
#include <kvstrata/tiers/nvme/config.hpp>
#include <kvstrata/tiers/nvme/record_store.hpp>
#include <kvstrata/tiers/stores/codes/coded_store.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>
#include <kvstrata/tiers/stores/page_bytes.hpp>
#include <kvstrata/tiers/stores/store_ios.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The store itself. Memory between a device and the file is the caller's: with O_DIRECT bytes move straight between it and
/// the drive where its pages' layers are multiples of what the drive wants (512 bytes, mostly), else through a buffer.
template <host_stream_device Device>
class nvme_file_on
{
 public:
  using device_type = Device;
  using config_type = nvme_file_config;
  static constexpr std::string_view name = "nvme_file";

  /// Opens the file, or makes it and takes its space. Blocks until what is on it has been read. Throws config_error for
  /// nonsense, error where the medium refuses or what is on it is not this store's: another's, another version's, another
  /// geometry's; then nothing has been written.
  nvme_file_on(Device& d, const nvme_file_config& c) : nvme_file_on(d, stores::without_code(c, name), opened{}) {}
  nvme_file_on(const nvme_file_on&) = delete;
  nvme_file_on& operator=(const nvme_file_on&) = delete;
  ~nvme_file_on() { close(); }

  [[nodiscard]] found_record find(const sequence_key& key)
  {
    if (closed_.load(std::memory_order_acquire)) return {};
    return store_.find(key);
  }

  [[nodiscard]] std::optional<store_promise> ask(const sequence_key& key)
  {
    return begin(nvme::block_bytes, [&](nvme::nvme_io& io) {
      io.what = nvme::nvme_io::kind::ask;
      io.key = key;
    });
  }

  [[nodiscard]] std::optional<store_promise> put(const sequence_key& key, const record_header& header,
                                                 std::span<const io_piece> from, const fence& ready)
  {
    const std::uint32_t page_bytes = bytes_of_a_page(from, header, header.pages().size(), "put");
    return begin(std::size_t{page_bytes} * header.pages().size(), [&](nvme::nvme_io& io) {
      io.what = nvme::nvme_io::kind::put;
      io.key = key;
      io.header = header;
      io.page_bytes = page_bytes;
      io.use(from, ready);
      if (config_.code) begin_behind_others(io);
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
    store_.erase(key);
    ios_.each([&key](nvme::nvme_io& io) { io.outdated = io.outdated || io.key == key; });
  }

  [[nodiscard]] std::optional<store_promise> flush()
  {
    return begin(nvme::block_bytes, [](nvme::nvme_io& io) { io.what = nvme::nvme_io::kind::flush; });
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

  /// What has been put and erased is durable when this returns, unless the medium fails.
  void close() noexcept
  {
    const std::lock_guard lock(mutex_);
    if (closed_.exchange(true)) return;
    ios_.end_all_sync();
    store_.close_sync();
  }

  /// What has begun and was not told yet.
  [[nodiscard]] std::size_t under_way() const
  {
    const std::lock_guard lock(mutex_);
    return ios_.size();
  }
  /// How far a sequence survives whatever happens to the machine: tokens before this, from where find says it begins. 0: none
  /// from there on.
  [[nodiscard]] token_count durable_tokens(const sequence_key& key) { return store_.durable_tokens(key); }
  /// What it has room for.
  [[nodiscard]] tier_size size() const { return store_.size(); }
  [[nodiscard]] nvme::store_figures_now figures() const { return store_.figures(); }
  /// Which engine moves the bytes, and why not a better one.
  [[nodiscard]] std::string_view engine_name() noexcept { return store_.engine().name(); }
  [[nodiscard]] std::string explanation() { return store_.engine().explanation(); }
  /// Memory that puts and gets will use, the arena's: engines that can, pin it once. It must stay until the store is gone.
  void register_memory(std::span<std::byte> memory) { store_.engine().register_memory(memory); }

 protected:
  struct opened
  {
  };
  nvme_file_on(Device& d, const nvme_file_config& c, opened)
      : config_(moves_bytes(d, c)),
        store_(c, !is_in_virtual_time(d)),
        ios_(d, "nvme_file", c.lanes, c.in_flight, 1, c.workers)
  {
  }

 private:
  static const nvme_file_config& moves_bytes(Device& d, const nvme_file_config& c)
  {
    if constexpr (requires { d.config().data; }) {
      if (!d.config().data)
        throw usage_error("nvme_file: this device moves no bytes, so that there is nothing to keep");
    }
    return c;
  }

  /// What is encoded gets its place only then: puts of one sequence are encoded in the order of their calls.
  void begin_behind_others(nvme::nvme_io& io)
  {
    ios_.each([&io](const nvme::nvme_io& other) {
      const bool is_before = other.what == nvme::nvme_io::kind::put && other.key == io.key && !other.is_over();
      if (is_before) io.ready.add(other.point);
    });
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
    if (!header.tokens.contains(wanted)) throw usage_error("nvme_file: get wants tokens that the record has not");
    const page_count pages = pages_of(wanted, header.page_tokens).size();
    const std::uint32_t page_bytes = bytes_of_a_page(into, header, pages, "get");
    return begin(std::size_t{page_bytes} * pages, [&](nvme::nvme_io& io) {
      io.what = nvme::nvme_io::kind::get;
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
    auto made = std::make_unique<nvme::nvme_io>();
    fill(*made);
    if (!store_.begin(*made)) return std::nullopt;
    return ios_.begin(std::move(made), *lane, false,
                      config_.seconds + static_cast<double>(bytes) / config_.bytes_per_second);
  }

  /// The lock is held.
  store_outcome finish(const store_promise& promise) noexcept
  {
    const std::unique_ptr<nvme::nvme_io> io = ios_.take(promise);
    if (io->what == nvme::nvme_io::kind::get && io->outdated && io->outcome.done()) return {loss::gone};
    return io->outcome;
  }

  mutable std::mutex mutex_;
  std::atomic<bool> closed_{false};
  nvme_file_config config_;
  nvme::record_store store_;
  detail::store_ios<Device, nvme::nvme_io> ios_;  // ends first: its threads use the store
};

}  // namespace kvstrata
