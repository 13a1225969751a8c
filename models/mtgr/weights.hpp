// The model's parameters: a caller's, or seeded and random, the same with every compiler and standard library.
#pragma once

#include "mtgr/config.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace mtgr {

/// Makes tokens of one domain: out(silu(in(features))). User tokens have a row of in_bias each, which tells them apart.
struct token_weights
{
  std::vector<float> in;        ///< [features][token_hidden]
  std::vector<float> in_bias;   ///< [token_hidden]; of users [user_tokens][token_hidden]
  std::vector<float> out;       ///< [token_hidden][hidden]
  std::vector<float> out_bias;  ///< [hidden]
};

/// A group layer norm: each token to mean 0 and variance 1, by itself; gain and bias are its domain's. Statistics over several
/// tokens would let candidates look at each other, and make K and V depend on the request.
struct group_norm
{
  std::vector<float> gain;  ///< [domains][width]
  std::vector<float> bias;  ///< [domains][width]
};

/// One layer. D is width_of(config).
struct layer_weights
{
  group_norm input;                 ///< of width hidden
  std::vector<float> project;       ///< [hidden][4 * D], columns U, Q, K, V
  std::vector<float> project_bias;  ///< [4 * D]
  group_norm gated;                 ///< of width D
  std::vector<float> output;        ///< [D][hidden]
  std::vector<float> output_bias;   ///< [hidden]
};

struct weights
{
  std::array<token_weights, domains> tokens;
  std::vector<layer_weights> layers;
  std::vector<float> head_in;        ///< [hidden][tasks * head_hidden]: the towers side by side
  std::vector<float> head_in_bias;   ///< [tasks * head_hidden]
  std::vector<float> head_out;       ///< [tasks][head_hidden]
  std::vector<float> head_out_bias;  ///< [tasks]
};

/// Calls visit(name, rows, columns, tensor) for every tensor of weights that have the config's layers.
template <class Weights, class Visitor>
void visit_tensors(const config& c, Weights& w, Visitor&& visit)
{
  const std::size_t width = width_of(c);
  constexpr const char* names[domains] = {"user", "sequence", "recent", "candidate"};
  for (std::size_t d = 0; d < domains; ++d) {
    const std::string name = std::string("tokens.") + names[d] + ".";
    visit(name + "in", features_of(c, domain(d)), std::size_t{c.token_hidden}, w.tokens[d].in);
    visit(name + "in_bias", domain(d) == domain::user ? std::size_t{c.user_tokens} : 1, std::size_t{c.token_hidden},
          w.tokens[d].in_bias);
    visit(name + "out", std::size_t{c.token_hidden}, std::size_t{c.hidden}, w.tokens[d].out);
    visit(name + "out_bias", std::size_t{1}, std::size_t{c.hidden}, w.tokens[d].out_bias);
  }
  for (std::size_t l = 0; l < w.layers.size(); ++l) {
    auto& layer = w.layers[l];
    const std::string name = "layers." + std::to_string(l) + ".";
    visit(name + "input.gain", domains, std::size_t{c.hidden}, layer.input.gain);
    visit(name + "input.bias", domains, std::size_t{c.hidden}, layer.input.bias);
    visit(name + "project", std::size_t{c.hidden}, 4 * width, layer.project);
    visit(name + "project_bias", std::size_t{1}, 4 * width, layer.project_bias);
    visit(name + "gated.gain", domains, width, layer.gated.gain);
    visit(name + "gated.bias", domains, width, layer.gated.bias);
    visit(name + "output", width, std::size_t{c.hidden}, layer.output);
    visit(name + "output_bias", std::size_t{1}, std::size_t{c.hidden}, layer.output_bias);
  }
  visit(std::string("head_in"), std::size_t{c.hidden}, tasks * c.head_hidden, w.head_in);
  visit(std::string("head_in_bias"), std::size_t{1}, tasks * c.head_hidden, w.head_in_bias);
  visit(std::string("head_out"), tasks, std::size_t{c.head_hidden}, w.head_out);
  visit(std::string("head_out_bias"), std::size_t{1}, tasks, w.head_out_bias);
}

/// Throws kvstrata::config_error with the name of the first tensor that is not of the size that the config asks for.
void check(const config& c, const weights& w);

/// Weights drawn from config.seed, scaled so that activations stay of the order of 1. The config must have passed check().
[[nodiscard]] weights random_weights(const config& c);

}  // namespace mtgr
