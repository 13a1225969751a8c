// A store in host memory that behaves as badly as stores do: late, out of order, losing, and not knowing without asking, by
// a seed. For tests; and the smallest model of a store.
//
//   memory_store<[a write policy], [an admission policy]>
//
//   memory_store<>::on<Device> shelf(device, {.lanes = 2, .lost_in = 20});
//   cache c(device, {.shape = ..., .tiers = {{.bytes = a}, {.bytes = b}, {.store = &shelf}}});
#pragma once

#include <kvstrata/core/options.hpp>
#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>
#include <kvstrata/tiers/stores/memory_io.hpp>
#include <kvstrata/tiers/stores/shelf.hpp>
#include <kvstrata/tiers/stores/store_ios.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The store itself.
template <host_stream_device Device>
class memory_store_on
{
 public:
  /// What is kept lies on `shelf`; null: on one of its own. Throws config_error for nonsense.
  explicit memory_store_on(Device& d, const memory_store_config& c = {}, std::shared_ptr<record_shelf> shelf = nullptr)
      : device_(&d),
        config_(checked(c)),
        draws_(c.seed),
        shelf_(shelf != nullptr ? std::move(shelf) : std::make_shared<record_shelf>()),
        ios_(d, "memory_store", c.lanes, c.in_flight, c.seed)
  {
  }
  memory_store_on(const memory_store_on&) = delete;
  memory_store_on& operator=(const memory_store_on&) = delete;
  ~memory_store_on() { close(); }

  [[nodiscard]] found_record find(const sequence_key& key)
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return {};
    if (is_unknown(key)) return {.is = found_record::knowledge::unknown};
    const auto header = shelf_->find(key);
    if (!header) return {};
    return {found_record::knowledge::present, *header};
  }

  [[nodiscard]] std::optional<store_promise> ask(const sequence_key& key)
  {
    return begin([&](memory_io& io) {
      io.what = memory_io::kind::ask;
      io.key = key;
    });
  }

  [[nodiscard]] std::optional<store_promise> put(const sequence_key& key, const record_header& header,
                                                 std::span<const io_piece> from, const fence& ready)
  {
    const std::size_t page_bytes = bytes_of_a_page(from, header.pages().size(), "put");
    return begin([&](memory_io& io) {
      io.what = memory_io::kind::put;
      io.key = key;
      io.header = header;
      io.wanted = header.tokens;
      io.use(from, ready);
      for (page_count p = 0; p < header.pages().size(); ++p) {
        io.pages.push_back(record_shelf::new_page(page_bytes, config_.overwrite_dropped));
      }
      io.number = shelf_->next_number();
    });
  }

  [[nodiscard]] std::optional<store_promise> get(const sequence_key& key, const record_header& header,
                                                 token_interval wanted, std::span<const io_piece> into,
                                                 const fence& ready)
  {
    if (!header.tokens.contains(wanted)) throw usage_error("memory_store: get wants tokens that the record has not");
    const std::size_t page_bytes = bytes_of_a_page(into, pages_of(wanted, header.page_tokens).size(), "get");
    return begin([&](memory_io& io) {
      io.what = memory_io::kind::get;
      io.key = key;
      io.header = header;
      io.wanted = wanted;
      io.use(into, ready);
      io.pages = shelf_->pages(key, header, wanted);
      if (io.missing = io.pages.empty(); io.missing) io.outcome.why = loss::gone;
      else if (io.pages.front()->size() != page_bytes) {
        throw usage_error("memory_store: get has room for pages of " + std::to_string(page_bytes) +
                          " bytes, but the record's have " + std::to_string(io.pages.front()->size()));
      }
    });
  }

  void erase(const sequence_key& key) noexcept
  {
    const std::lock_guard lock(mutex_);
    shelf_->erase(key);
    ios_.each([&key](memory_io& io) { io.erased = io.erased || io.key == key; });
  }

  [[nodiscard]] std::optional<store_promise> flush()
  {
    return begin([](memory_io& io) { io.what = memory_io::kind::flush; });
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

  /// Whoever was promised something may still ask what became of it.
  void close() noexcept
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    ios_.end_all_sync();
  }

  [[nodiscard]] record_shelf& shelf() noexcept { return *shelf_; }
  /// What has begun and was not told yet.
  [[nodiscard]] std::size_t under_way() const
  {
    const std::lock_guard lock(mutex_);
    return ios_.size();
  }

  /// Faults to come: the next ask, put, get or flush but `after` throws, or is promised and lost.
  void throw_next(std::uint64_t after = 0) noexcept { faults_.until_throw = after + 1; }
  void lose_next(std::uint64_t after = 0) noexcept { faults_.until_loss = after + 1; }
  /// The lanes of these bits answer nothing that begins from now on.
  void silence(std::uint64_t lanes) noexcept
  {
    const std::lock_guard lock(mutex_);
    config_.silent_lanes = lanes;
  }

 private:
  static const memory_store_config& checked(const memory_store_config& c)
  {
    check(c);
    return c;
  }

  static std::size_t bytes_of_a_page(std::span<const io_piece> pieces, page_count pages, const char* call)
  {
    std::size_t bytes = 0;
    for (const io_piece& piece : pieces) bytes += piece.bytes;
    if (pages != 0 && bytes != 0 && bytes % pages == 0) return bytes / pages;
    throw usage_error("memory_store: " + std::string(call) + " names " + std::to_string(bytes) + " bytes for " +
                      std::to_string(pages) + " pages");
  }

  /// One in `in`, by the seed; 0: none.
  [[nodiscard]] bool draw(std::uint32_t in) noexcept { return in != 0 && draws_.below(in) == 0; }

  [[nodiscard]] bool is_unknown(const sequence_key& key) const
  {
    if (config_.unknown_in == 0 || known_.contains(key.id)) return false;
    return memory_io::mix(config_.seed ^ key.id ^ forgot_) % config_.unknown_in == 0;
  }

  template <class Fill>
  std::optional<store_promise> begin(Fill&& fill)
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return std::nullopt;
    const auto lane = ios_.next_lane();
    if (!lane) return std::nullopt;
    if (memory_faults::strikes(faults_.until_throw)) throw error("memory_store: a call failed, as it was told to");
    auto made = std::make_unique<memory_io>();
    fill(*made);
    made->touches = config_data();
    if (memory_faults::strikes(faults_.until_loss)) made->outcome.why = loss::io_error;
    else if (made->outcome.done() && draw(config_.lost_in)) made->outcome.why = draws_.reason();
    return ios_.begin(std::move(made), *lane, (config_.silent_lanes >> *lane & 1U) != 0, draws_.seconds(config_));
  }

  [[nodiscard]] bool config_data() const noexcept
  {
    if constexpr (requires { device_->config().data; }) return device_->config().data;
    else return true;
  }

  /// Books what came of an I/O that is over, and forgets it.
  store_outcome finish(const store_promise& promise) noexcept
  {
    const std::unique_ptr<memory_io> io = ios_.take(promise);
    try {
      book(*io);
    } catch (...) {
      io->outcome.why = loss::io_error;
    }
    return io->outcome;
  }

  void book(memory_io& io)
  {
    switch (io.what) {
      case memory_io::kind::ask:
        if (!io.outcome.done()) break;
        if (known_.size() >= most_known) {
          known_.clear();
          ++forgot_;
        }
        known_.insert(io.key.id);
        break;
      case memory_io::kind::put:
        if (io.erased) break;
        // Nobody knows of a put whose answer did not come.
        if (io.outcome.done() || (io.outcome.why == loss::timeout && draw(2))) {
          shelf_->put(io.key, io.header, io.number, std::move(io.pages));
        }
        break;
      case memory_io::kind::get:
        if (!io.outcome.done()) {
          if (io.outcome.why != loss::closed && !io.missing) shelf_->drop_life(io.key, io.header);
        } else if (io.erased || shelf_->pages(io.key, io.header, io.wanted).empty()) {
          io.outcome.why = loss::gone;
        }
        break;
      case memory_io::kind::flush: break;
    }
  }

  static constexpr std::size_t most_known = 1024;

  Device* device_;
  mutable std::mutex mutex_;
  memory_store_config config_;
  memory_draws draws_;
  memory_faults faults_;
  std::shared_ptr<record_shelf> shelf_;
  boost::unordered_flat_set<std::uint64_t> known_;  // asked for
  std::uint64_t forgot_ = 0;
  bool closed_ = false;
  detail::store_ios<Device, memory_io> ios_;
};

template <option... Options>
struct memory_store
{
  using tier_kind = store_kind;
  using writes = find_option_t<write_policy_option, write_back, Options...>;
  using admission = find_option_t<admission_option, always, Options...>;
  static constexpr std::string_view name = "memory_store";

  /// The same whatever the options are, so that caches of different stacks may share one.
  template <host_stream_device Device>
  using on = memory_store_on<Device>;
};

static_assert(store_tier<memory_store<>, detail::device_archetype>);

}  // namespace kvstrata
