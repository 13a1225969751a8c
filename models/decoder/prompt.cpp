#include "decoder/prompt.hpp"

#include <kvstrata/core/error.hpp>

#include <string>

namespace decoder {
namespace {

std::string of(std::size_t r) { return "prompt " + std::to_string(r); }

void check(const config& c, const prompt& p, std::size_t r, const kvstrata::page_table_view& view,
           kvstrata::token_count before)
{
  if (p.first_token > p.history) {
    throw kvstrata::history_error(of(r) + " begins at token " + std::to_string(p.first_token) +
                                  ", but its history ends at " + std::to_string(p.history));
  }
  if (p.tokens.size() != p.history - p.first_token) {
    throw kvstrata::history_error(of(r) + " has " + std::to_string(p.tokens.size()) + " tokens, but its window has " +
                                  std::to_string(p.history - p.first_token));
  }
  if (view.first_token(r) != p.first_token || view.tokens(r) != p.history) {
    throw kvstrata::history_error(of(r) + " is of the tokens [" + std::to_string(p.first_token) + ", " +
                                  std::to_string(p.history) + "), but its pages are of [" +
                                  std::to_string(view.first_token(r)) + ", " + std::to_string(view.tokens(r)) + ")");
  }
  kvstrata::token_count at = p.first_token;
  for (const kvstrata::token_interval i : p.compute) {
    if (i.begin < at || i.end < i.begin || i.end > p.history) {
      throw kvstrata::history_error(of(r) + " computes [" + std::to_string(i.begin) + ", " + std::to_string(i.end) +
                                    "), but intervals must ascend within [" + std::to_string(at) + ", " +
                                    std::to_string(p.history) + ")");
    }
    at = i.end;
    for (kvstrata::token_count t = i.begin; t < i.end; ++t) {
      const std::uint32_t level = (before + t) % depth_of(c);
      const std::uint32_t token = p.tokens[t - p.first_token];
      if (token >= c.codebooks[level]) {
        throw kvstrata::history_error("token " + std::to_string(t) + " of " + of(r) + " is " + std::to_string(token) +
                                      ", but the codebook of level " + std::to_string(level) + " has " +
                                      std::to_string(c.codebooks[level]));
      }
    }
  }
}

}  // namespace

void check(const config& c, const kvstrata::geometry& shape, std::span<const prompt> prompts,
           const kvstrata::page_table_view& view, const prompt_views& fronts)
{
  if (view.shape != shape) {
    throw kvstrata::geometry_error("the pages are of " + to_string(view.shape) + ", but the decoder is of " +
                                   to_string(shape));
  }
  if (view.size() != prompts.size()) {
    throw kvstrata::history_error("there are " + std::to_string(prompts.size()) + " prompts, but pages of " +
                                  std::to_string(view.size()));
  }
  for (const kvstrata::page_table_view& front : fronts.parts()) {
    if (front.shape != shape) {
      throw kvstrata::geometry_error("the pages in front are of " + to_string(front.shape) +
                                     ", but the decoder is of " + to_string(shape));
    }
    if (front.size() == prompts.size()) continue;
    throw kvstrata::history_error("there are " + std::to_string(prompts.size()) + " prompts, but pages in front of " +
                                  std::to_string(front.size()));
  }
  for (std::size_t r = 0; r < prompts.size(); ++r) check(c, prompts[r], r, view, fronts.tokens(r));
}

}  // namespace decoder
