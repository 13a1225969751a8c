// One I/O between the last memory of a cache and a store, from its beginning until its outcome is told.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What came of the wish to save.
enum class saving : std::uint8_t { nothing, no_room, begun };

/// `Places`: where it lies in the room.
template <class Places>
struct store_io
{
  enum class kind : std::uint8_t {
    ask,
    put,
    get,   ///< to be staged
    read,  ///< a lease waits for it
  };

  kind what = kind::ask;
  sequence_key key{};
  record_header header{};
  token_interval tokens{};  ///< what goes or comes
  token_interval wanted{};  ///< of a get: what is to come in the end
  Places place{};
  store_promise promise{};
  std::vector<event> layers{};  ///< of a get that comes layer by layer, when each is there
  bool erased = false;
  bool overdue = false;  ///< nobody waits for it any more, and it was counted
  double since = 0;      ///< where there is a limit: when it began, or the lease that counts on it
  bool given_up = false;
  std::uint64_t reader = 0;  ///< of a read: whose, ...
  std::size_t lane = 0;      ///< ... on which stream it goes on, ...
  token_count used = 0;      ///< ... how many tokens, ...
  event copied{};            ///< ... and when it has

  /// Is it on its way up for the user, and no lease waits for it?
  [[nodiscard]] bool is_coming(const sequence_key& who) const noexcept
  {
    return what == kind::get && key == who && !erased;
  }
};

/// Calls call(), which asks a store. False where that threw an error, as its medium has failed: it has changed nothing, and
/// the cache goes on without it. Misuse, a failed device and a lack of memory are thrown on.
template <class Call>
[[nodiscard]] bool store_answers(Call&& call)
{
  try {
    call();
    return true;
  } catch (const usage_error&) {
    throw;
  } catch (const device_error&) {
    throw;
  } catch (const error&) {
    return false;
  }
}

/// A read that a lease waited for, and that is over.
struct ended_read
{
  std::uint64_t reader = 0;  ///< the lease's word for it
  bool came = false;
};

}  // namespace kvstrata
