// What each write policy writes at commit and at eviction, by table.
#include "support/catch.hpp"

#include <kvstrata/tiers/write_policy.hpp>

using namespace kvstrata;

namespace {

struct row
{
  write_facts facts;
  token_count flushed;
  bool written_back;
};

template <class Writes>
void check_rows(std::initializer_list<row> rows)
{
  for (const row& r : rows) {
    CAPTURE(r.facts.tokens, r.facts.page_tokens, r.facts.chunk_tokens, r.facts.uses);
    CHECK(flushed_tokens<Writes>(r.facts) == token_interval{0, r.flushed});
    CHECK(Writes::writes_back(r.facts) == r.written_back);
  }
}

}  // namespace

TEST_CASE("page_write_through writes whole pages, and the rest at eviction", "[tiers]")
{
  check_rows<page_write_through>({{{0, 32, 1024, 1}, 0, true},
                                  {{31, 32, 1024, 1}, 0, true},
                                  {{32, 32, 1024, 1}, 32, true},
                                  {{1000, 32, 1024, 9}, 992, true}});
}

TEST_CASE("token_write_through writes all at every commit", "[tiers]")
{
  check_rows<token_write_through>(
      {{{0, 32, 1024, 1}, 0, true}, {{1, 32, 1024, 1}, 1, true}, {{1000, 32, 1024, 9}, 1000, true}});
}

TEST_CASE("chunk_write_through writes whole chunks, and nothing at eviction", "[tiers]")
{
  check_rows<chunk_write_through>(
      {{{1023, 32, 1024, 1}, 0, false}, {{1024, 32, 1024, 1}, 1024, false}, {{3000, 32, 1024, 9}, 2048, false}});
}

TEST_CASE("write_back writes nothing at commit and all at eviction", "[tiers]")
{
  check_rows<write_back>({{{0, 32, 1024, 1}, 0, true}, {{5000, 32, 1024, 9}, 0, true}});
}

TEST_CASE("selective_write writes nothing, not even at eviction, until the user has come so often", "[tiers]")
{
  check_rows<selective_write<3>>({{{1000, 32, 1024, 1}, 0, false},
                                  {{1000, 32, 1024, 2}, 0, false},
                                  {{1000, 32, 1024, 3}, 992, true},
                                  {{1000, 32, 1024, 4}, 992, true}});
  check_rows<selective_write<2, chunk_write_through>>(
      {{{3000, 32, 1024, 1}, 0, false}, {{3000, 32, 1024, 2}, 2048, false}});
  check_rows<selective_write<2, write_back>>({{{3000, 32, 1024, 1}, 0, false}, {{3000, 32, 1024, 2}, 0, true}});
  check_rows<selective_write<1, token_write_through>>({{{7, 32, 1024, 1}, 7, true}});  // the first counts
}
