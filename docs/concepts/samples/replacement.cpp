// A sample of docs/concepts/replacement.md.
#include <kvstrata/replacement/concepts.hpp>

#include <boost/intrusive/list.hpp>

// The oldest first: who came first goes first, however often it was used since.
class oldest_first
{
 public:
  struct hook : boost::intrusive::list_base_hook<>
  {
  };
  void insert(hook& h, const kvstrata::object_info&) { order_.push_back(h); }
  void touch(hook&, const kvstrata::object_info&) {}
  void remove(hook& h) noexcept { order_.erase(order_.iterator_to(h)); }
  template <class Visit>
  void victims(Visit&& visit)
  {
    for (hook& h : order_) {
      if (!visit(h)) return;
    }
  }
  ~oldest_first() { order_.clear(); }
  oldest_first() = default;
  oldest_first(oldest_first&&) = default;

 private:
  boost::intrusive::list<hook> order_;
};
static_assert(kvstrata::replacement_policy<oldest_first>);

#ifndef KVSTRATA_RIGHT
// says: a replacement policy's remove(hook) must be noexcept
struct may_throw : oldest_first
{
  void remove(hook& h) { oldest_first::remove(h); }
};
static_assert(kvstrata::replacement_policy<may_throw>);
#endif
