// A cache of two tiers, all of it, as an object file: symbols.cmake reads what is in it. With -DKVSTRATA_STORE one with a
// store, as a planted fault. The device is declared only: nothing is linked.
#include <kvstrata/cache.hpp>
#ifdef KVSTRATA_STORE
#include <kvstrata/tiers/memory_store.hpp>
#endif

using namespace kvstrata;

struct bare_device
{
  struct memory
  {
    memory(memory&&) noexcept;
    memory& operator=(memory&&) noexcept;
    ~memory();
    [[nodiscard]] std::byte* data() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept;
  };
  memory allocate_device(std::size_t, std::string_view);
  memory allocate_pinned(std::size_t, std::string_view);
  stream_id create_stream(std::string_view);
  event record(stream_id);
  void wait(stream_id, event);
  bool query(event);
  void wait_sync(event);
  void copy(stream_id, copy_direction, std::byte*, const std::byte*, std::size_t);
#ifdef KVSTRATA_STORE
  stream_id create_host_stream(std::string_view);
  event promise(stream_id, const host_io&);
  void complete(event);
  std::string_view why_no_host_waits();
#endif
};

#ifdef KVSTRATA_STORE
using stack = tier_stack<device_slab<bare_device>, pinned_arena<>, memory_store<>>;
#else
using stack = tier_stack<device_slab<bare_device>, pinned_arena<>>;
#endif

template class kvstrata::cache<stack, hybrid_layout, layerwise_transfer<>, lru>;
