// When two records of a sequence are one: against what each page would have to give, for all small intervals.
#include "support/catch.hpp"

#include <kvstrata/tiers/stores/record.hpp>

#include <set>

namespace {

using namespace kvstrata;

record_header of(std::uint64_t life, token_interval tokens)
{
  return {.incarnation = incarnation_id{life}, .page_tokens = 3, .tokens = tokens};
}

}  // namespace

TEST_CASE("joined records have what is new, no token that no page gives, and all that can be had")
{
  constexpr token_count longest = 11;
  std::uint64_t cut = 0;
  std::uint64_t kept_pages = 0;
  for (token_count a = 0; a < longest; ++a) {
    for (token_count b = a + 1; b <= longest; ++b) {
      for (token_count c = 0; c < longest; ++c) {
        for (token_count e = c + 1; e <= longest; ++e) {
          const token_interval old{a, b};
          const token_interval fresh{c, e};
          CAPTURE(a, b, c, e);
          const record_union out = join(of(1, old), of(1, fresh));
          REQUIRE(out.tokens.contains(fresh));
          REQUIRE(hull(old, fresh).contains(out.tokens));
          if (!joinable(old, fresh)) REQUIRE(out.tokens == fresh);
          const page_interval pages = pages_of(out.tokens, 3);
          bool conflict = false;
          for (page_count p = pages.begin; p < pages.end; ++p) {
            const token_interval page{p * 3, p * 3 + 3};
            const bool is_fresh = p >= out.from_fresh.begin && p < out.from_fresh.end;
            const token_interval given = intersect(is_fresh ? fresh : old, page);
            REQUIRE(given.contains(intersect(out.tokens, page)));
            kept_pages += !is_fresh && !intersect(fresh, page).empty() ? 1U : 0U;
          }
          for (page_count p = 0; p < 4; ++p) {
            const token_interval page{p * 3, p * 3 + 3};
            const token_interval had = intersect(old, page);
            const token_interval has = intersect(fresh, page);
            conflict = conflict || (!had.contains(has) && !has.contains(had));
          }
          if (joinable(old, fresh) && !conflict) REQUIRE(out.tokens == hull(old, fresh));
          cut += joinable(old, fresh) && out.tokens != hull(old, fresh) ? 1U : 0U;
        }
      }
    }
  }
  CHECK(cut != 0);
  CHECK(kept_pages != 0);
}

TEST_CASE("records of two lives are never one")
{
  const record_header old = of(1, {0, 9});
  for (const int change : {0, 1, 2, 3}) {
    record_header fresh = of(1, {3, 12});
    if (change == 0) fresh.incarnation = incarnation_id{2};
    if (change == 1) fresh.epoch = epoch_id{1};
    if (change == 2) fresh.format = kv_format{1};
    if (change == 3) fresh.page_tokens = 4;
    CAPTURE(change);
    CHECK_FALSE(same_life(old, fresh));
    CHECK(join(old, fresh).tokens == fresh.tokens);
    CHECK(join(old, fresh).from_fresh.begin == fresh.pages().begin);
    CHECK(join(old, fresh).from_fresh.end == fresh.pages().end);
  }
}

TEST_CASE("a format tells every part of a shape from every other")
{
  const geometry shape{.layers = 2, .kv_heads = 3, .head_dim = 4, .element = element_type::bf16};
  std::set<std::uint64_t> all;
  for (const geometry& g : {shape, geometry{3, 3, 4, element_type::bf16}, geometry{2, 4, 4, element_type::bf16},
                            geometry{2, 3, 5, element_type::bf16}, geometry{2, 3, 4, element_type::f16},
                            geometry{3, 2, 4, element_type::bf16}}) {
    for (const token_count page : {4U, 8U}) all.insert(static_cast<std::uint64_t>(format_of(g, page)));
  }
  CHECK(all.size() == 12);
  CHECK(format_of(shape, 4) == format_of(shape, 4));
}
