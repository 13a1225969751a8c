// A sample of docs/concepts/admission.md.
#include <kvstrata/replacement/admission/concepts.hpp>

// Who is larger than the one who would go for it stays out.
struct no_larger
{
  using option_kind = kvstrata::admission_option;
  bool admits(const kvstrata::object_info& candidate, const kvstrata::object_info* victim) const
  {
    return victim == nullptr || candidate.bytes <= victim->bytes;
  }
};
static_assert(kvstrata::admission_policy<no_larger>);

#ifndef KVSTRATA_RIGHT
// says: decides_admission
struct says_nothing  // `void` is no answer
{
  using option_kind = kvstrata::admission_option;
  void admits(const kvstrata::object_info&, const kvstrata::object_info*) const {}
};
static_assert(kvstrata::admission_policy<says_nothing>);
#endif
