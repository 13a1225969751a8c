// The menu of replacement policies. Each head comment is the algorithm, with its source and its parameters.
//
//   policy               who goes first                                         good and bad
//   -------------------- ------------------------------------------------------ -----------------------------------
//   lru                  least recently used                                    the baseline; short loops ruin it
//   fifo                 who came first                                         a hit costs nothing, counts for nothing
//   clock_sweep          who came first and was not used since the last round   close to lru, and a hit is one bit
//   sieve                the same, but who is spared stays where it is          new ones go soon: scans pass by
//   random_replacement   anybody                                                the yardstick; loops do not ruin it
//   lfu                  least often used while here                            what was popular once stays
//   slru                 least recently used of those not used again            scans pass by; the shares are fixed
//   two_q                a queue for the new, LRU for who came back             scans pass by; the shares are fixed
//   arc                  recency against frequency; ghosts say who needs more   adapts to the workload, no parameters
//   s3_fifo              three queues, first in first out                       few touches matter, many come once
//   lru_k                by the last use but one                                O(log n); one use counts for nothing
//   correlated_lru_k     the same; uses in quick succession count as one        sessions, bursts
//   lirs                 longest between its last two uses                      loops and scans; slow to change
//   w_tiny_lfu           the less frequent of an old one and a new one          popularity that lasts; a sketch beside
//   lrfu                 least decayed sum of uses                              users who return; one half-life fits all
//   hyperbolic           least uses for the time here, of a sample              many sizes and costs; no order is kept
//   lhd                  least hits to come for room and time, of a sample      learns; 786 KB of counts
//   gdsf                 least uses * cost per byte, with age                   objects of many sizes; O(log n)
//   locality             least likely to come back soon, for what it saves      learns: hours, lengths, costs; slow
//   belady               used again last                                        needs the future: simulators only
#pragma once

#include <kvstrata/replacement/arc.hpp>
#include <kvstrata/replacement/belady.hpp>
#include <kvstrata/replacement/clock.hpp>
#include <kvstrata/replacement/correlated_lru_k.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/gdsf.hpp>
#include <kvstrata/replacement/hyperbolic.hpp>
#include <kvstrata/replacement/lfu.hpp>
#include <kvstrata/replacement/lhd.hpp>
#include <kvstrata/replacement/lirs.hpp>
#include <kvstrata/replacement/locality.hpp>
#include <kvstrata/replacement/lrfu.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/lru_k.hpp>
#include <kvstrata/replacement/random.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/replacement/sieve.hpp>
#include <kvstrata/replacement/slru.hpp>
#include <kvstrata/replacement/two_q.hpp>
#include <kvstrata/replacement/w_tiny_lfu.hpp>
