// A sample of docs/concepts/access_source.md.
#include <kvstrata/simulate/trace_access.hpp>

#include <cstdint>
#include <span>
#include <string_view>

// Ten objects in turn, a thousand times: what a loop does to a policy.
class loop_of_ten
{
 public:
  std::size_t read(std::span<kvstrata::trace_access> out)
  {
    std::size_t count = 0;
    for (; count < out.size() && next_ < 1000; ++count, ++next_) {
      out[count] = kvstrata::trace_access{.key = next_ % 10};
    }
    return count;
  }
  std::string_view name() const { return "a loop of ten"; }

 private:
  std::uint64_t next_ = 0;
};
static_assert(kvstrata::access_source<loop_of_ten>);

#ifndef KVSTRATA_RIGHT
// says: names_itself
struct nameless
{
  std::size_t read(std::span<kvstrata::trace_access>) { return 0; }
};
static_assert(kvstrata::access_source<nameless>);
#endif
