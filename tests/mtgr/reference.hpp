// MTGR once more, as plainly as it can be written: double precision, one user, no pages, and a mask of N x N that is made of
// the paper's three rules.
#pragma once

#include "mtgr/fixture.hpp"

namespace mtgr_test {

using matrix = std::vector<std::vector<double>>;  // [token][...]

struct reference_result
{
  std::vector<matrix> keys, values;  // [layer][token]: U, S, R, candidates
  matrix logits;                     // [candidate][task]
};

// How the reference departs from the model, for tests that show what follows.
struct variant
{
  double normaliser = 0;    // 0: the model's
  bool plain_norm = false;  // all domains use the gain and bias of the first
};

inline double silu(double x) { return x / (1 + std::exp(-x)); }

// to[j] = sum of from[i] weights[i][j] + bias[j].
inline std::vector<double> affine(const std::vector<double>& from, const std::vector<float>& weights, const float* bias,
                                  std::size_t columns)
{
  std::vector<double> to(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    to[j] = static_cast<double>(bias[j]);
    for (std::size_t i = 0; i < from.size(); ++i) to[j] += from[i] * static_cast<double>(weights[i * columns + j]);
  }
  return to;
}

inline std::vector<double> normalised(const std::vector<double>& from, double epsilon)
{
  const auto count = static_cast<double>(from.size());
  double mean = 0, squares = 0;
  for (const double v : from) mean += v / count;
  for (const double v : from) squares += (v - mean) * (v - mean) / count;
  std::vector<double> to;
  for (const double v : from) to.push_back((v - mean) / std::sqrt(squares + epsilon));
  return to;
}

inline std::vector<double> grouped(const mtgr::group_norm& norm, std::size_t group, std::vector<double> normal)
{
  for (std::size_t i = 0; i < normal.size(); ++i) {
    normal[i] = normal[i] * static_cast<double>(norm.gain[group * normal.size() + i]) +
                static_cast<double>(norm.bias[group * normal.size() + i]);
  }
  return normal;
}

inline reference_result reference(const mtgr::config& c, const mtgr::weights& w, const user& u, const variant& as = {})
{
  const std::size_t statics = u.statics, recents = u.recents, candidates = u.candidate_times.size();
  const std::size_t total = statics + recents + candidates;
  const auto is_recent = [&](std::size_t i) { return i >= statics && i < statics + recents; };
  const auto is_candidate = [&](std::size_t i) { return i >= statics + recents; };
  const auto group = [&](std::size_t i) -> std::size_t {
    return i < c.user_tokens ? 0 : i < statics ? 1 : is_recent(i) ? 2 : 3;
  };
  const auto norm_group = [&](std::size_t i) { return as.plain_norm ? 0 : group(i); };

  // (1) U and S are visible to all; (2) R to what happens later, in its own order or, for candidates, by time; (3) a candidate
  // to itself. And everybody to themselves.
  std::vector<std::vector<char>> mask(total, std::vector<char>(total, 0));
  for (std::size_t i = 0; i < total; ++i) {
    for (std::size_t j = 0; j < total; ++j) {
      if (j < statics) mask[i][j] = 1;
      else if (is_recent(j) && is_recent(i)) mask[i][j] = j < i;
      else if (is_recent(j) && is_candidate(i)) {
        mask[i][j] = u.recent_times[j - statics] < u.candidate_times[i - statics - recents];
      }
      if (i == j) mask[i][j] = 1;
    }
  }

  matrix x;
  for (std::size_t i = 0; i < total; ++i) {
    const std::size_t g = group(i);
    const std::size_t first[] = {0, c.user_tokens, statics, statics + recents};
    const std::vector<float>* const features[] = {&u.profile, &u.sequence, &u.recent, &u.candidates};
    const std::size_t count = mtgr::features_of(c, mtgr::domain(g));
    const auto at = features[g]->begin() + static_cast<std::ptrdiff_t>((i - first[g]) * count);
    const float* const bias = w.tokens[g].in_bias.data() + (g == 0 ? i * c.token_hidden : 0);
    std::vector<double> inner =
        affine({at, at + static_cast<std::ptrdiff_t>(count)}, w.tokens[g].in, bias, c.token_hidden);
    for (double& v : inner) v = silu(v);
    x.push_back(affine(inner, w.tokens[g].out, w.tokens[g].out_bias.data(), c.hidden));
  }

  reference_result out;
  const std::size_t width = mtgr::width_of(c);
  const double normaliser = as.normaliser != 0 ? as.normaliser : mtgr::normaliser_of(c);
  const auto epsilon = static_cast<double>(c.epsilon);
  for (const mtgr::layer_weights& layer : w.layers) {
    matrix parts[4];  // U, Q, K, V
    for (std::size_t i = 0; i < total; ++i) {
      const std::vector<double> all = affine(grouped(layer.input, norm_group(i), normalised(x[i], epsilon)),
                                             layer.project, layer.project_bias.data(), 4 * width);
      for (std::size_t p = 0; p < 4; ++p) {
        parts[p].emplace_back();
        for (std::size_t j = 0; j < width; ++j) parts[p].back().push_back(silu(all[p * width + j]));
      }
    }
    const matrix& k = parts[2];
    const matrix& v = parts[3];
    for (std::size_t i = 0; i < total; ++i) {
      std::vector<double> attended(width, 0.0);
      for (std::size_t h = 0; h < c.heads; ++h) {
        for (std::size_t j = 0; j < total; ++j) {
          double score = 0;
          for (std::size_t e = h * c.head_dim; e < (h + 1) * c.head_dim; ++e) score += parts[1][i][e] * k[j][e];
          const double weight = silu(score) / normaliser * mask[i][j];
          for (std::size_t e = h * c.head_dim; e < (h + 1) * c.head_dim; ++e) attended[e] += weight * v[j][e];
        }
      }
      for (std::size_t j = 0; j < width; ++j) attended[j] *= parts[0][i][j];
      const std::vector<double> update = affine(grouped(layer.gated, norm_group(i), normalised(attended, epsilon)),
                                                layer.output, layer.output_bias.data(), c.hidden);
      for (std::size_t j = 0; j < c.hidden; ++j) x[i][j] += update[j];
    }
    out.keys.push_back(k);
    out.values.push_back(v);
  }

  for (std::size_t i = statics + recents; i < total; ++i) {
    std::vector<double> inner =
        affine(normalised(x[i], epsilon), w.head_in, w.head_in_bias.data(), mtgr::tasks * c.head_hidden);
    std::vector<double> logits;
    for (std::size_t t = 0; t < mtgr::tasks; ++t) {
      double sum = static_cast<double>(w.head_out_bias[t]);
      for (std::size_t j = 0; j < c.head_hidden; ++j) {
        sum += silu(inner[t * c.head_hidden + j]) * static_cast<double>(w.head_out[t * c.head_hidden + j]);
      }
      logits.push_back(sum);
    }
    out.logits.push_back(logits);
  }
  return out;
}

// Logits in a row.
inline std::vector<double> flat(const matrix& rows)
{
  std::vector<double> out;
  for (const auto& row : rows) out.insert(out.end(), row.begin(), row.end());
  return out;
}

// K and V of tokens [first, last) of a layer, as part_pages::rows() has them.
inline std::vector<double> kv_of(const reference_result& r, std::size_t layer, std::size_t first, std::size_t last)
{
  std::vector<double> out;
  for (std::size_t i = first; i < last; ++i) {
    out.insert(out.end(), r.keys[layer][i].begin(), r.keys[layer][i].end());
    out.insert(out.end(), r.values[layer][i].begin(), r.values[layer][i].end());
  }
  return out;
}

}  // namespace mtgr_test
