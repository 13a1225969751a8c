// Types of one's own against the conformance suites, without Catch2: what holds says nothing, and what does not is told.
#define KVSTRATA_TESTING_WITHOUT_CATCH2
#include <kvstrata_testing/layout/layout_conformance.hpp>
#include <kvstrata_testing/replacement/admission_conformance.hpp>
#include <kvstrata_testing/replacement/replacement_conformance.hpp>
#include <kvstrata_testing/replacement/shedding_conformance.hpp>
#include <kvstrata_testing/transfer/split_conformance.hpp>

#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/replacement/lru.hpp>

#include <cstdio>
#include <string>

namespace {

/// Who came last goes first.
struct mine : kvstrata::lru
{
  template <class Visit>
  void victims(Visit&& visit)
  {
    bool more = true;
    kvstrata::lru::victims([&](hook& object) { return more = more && visit(object); });
  }
};

/// And this one forgets that visit may say that it is enough.
struct goes_on : kvstrata::lru
{
  template <class Visit>
  void victims(Visit&& visit)
  {
    kvstrata::lru::victims([&](hook& object) {
      visit(object);
      return true;
    });
  }
};

struct seldom : kvstrata::always
{
  int asked = 0;
  bool admits(const kvstrata::object_info&, const kvstrata::object_info*) { return ++asked % 3 == 0; }
};

struct half
{
  using option_kind = kvstrata::shedding_option;
  static kvstrata::page_count pages_to_shed(kvstrata::page_count resident, kvstrata::page_count wanted)
  {
    return wanted < resident / 2 ? resident / 2 : wanted < resident ? wanted : resident;
  }
};

struct all_again
{
  using option_kind = kvstrata::split_policy_option;
  void recompute_until(const kvstrata::split_batch& batch, std::span<kvstrata::token_count> until) const
  {
    for (std::size_t i = 0; i < until.size(); ++i) until[i] = batch.users[i].front.end;
  }
};

int sentences = 0;
void told(const std::string& sentence)
{
  ++sentences;
  std::printf("%s\n", sentence.c_str());
}

}  // namespace

int main()
{
  using namespace kvstrata_test;
  const bool fine = conforms([] { replacement_conformance<mine>(); }, told) &&
                    conforms([] { admission_conformance<seldom>(); }, told) &&
                    conforms([] { shedding_conformance<half>(); }, told) &&
                    conforms([] { split_conformance<all_again>(); }, told) &&
                    conforms([] { layout_conformance(kvstrata::paged_layout{.page_tokens = 4}); }, told);
  if (!fine || sentences != 0) return 1;

  std::printf("and of one that is wrong:\n");
  if (conforms([] { replacement_conformance<goes_on>(); }, told) || sentences == 0) return 2;
  return allocations() == 0 ? 3 : 0;  // they are counted
}
