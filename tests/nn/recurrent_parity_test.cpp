// The layers against PyTorch's, which is also the independent witness of what lengths do.
//
//     from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
//     D, H, T, n = 2, 2, 3, 2
//     layers = (torch.nn.RNN(D, H), 1), (torch.nn.LSTM(D, H), 4), (torch.nn.GRU(D, H), 3)
//     for layer, gates in layers:
//       names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
//       shapes = [(gates * H, D), (gates * H, H), (gates * H,), (gates * H,)]
//       for i, name in enumerate(names):
//         setattr(layer, name, torch.nn.Parameter(wave(i + 1, *shapes[i])))
//       x, h, c = wave(5, D, T, n), wave(6, H, n), wave(7, H, n)
//       rows = lambda s: s.permute(1, 0)[None]               # (H,n) -> (1,n,H)
//       state = (rows(h), rows(c)) if gates == 4 else rows(h)
//       packed = pack_padded_sequence(x.permute(1, 2, 0), torch.tensor([3, 2]))
//       y, state = layer(packed, state)
//       y = pad_packed_sequence(y)[0].permute(2, 0, 1)       # (H,T,n)
//       state = [s[0].permute(1, 0) for s in (state if gates == 4 else (state,))]
//       loss = (y * wave(8, H, T, n)).sum()
//       for i, s in enumerate(state): loss = loss + (s * wave(9 + i, H, n)).sum()
//       loss.backward()
//       results = [y, *state, x.grad, h.grad] + ([c.grad] if gates == 4 else [])
//       for r in results + [getattr(layer, name).grad for name in names]: show(r)
//       print()

#include "catch.hpp"
#include "gradtape/nn/gru.hpp"
#include "gradtape/nn/lstm.hpp"
#include "gradtape/nn/rnn.hpp"
#include "gradtape/ops/reduce.hpp"
#include "wave.hpp"

using namespace gradtape;

namespace {

/// Inputs and initial states, and the script's loss of what a layer gives.
struct Case {
  Tape<double> tape;
  Tensor<double> x = wave::variable(tape, 5, Shape{2, 3, 2}),
                 h = wave::variable(tape, 6, Shape{2, 2}), c = wave::variable(tape, 7, Shape{2, 2});
  std::vector<int> lengths{3, 2};

  /// What of the loss depends on a part of the results.
  Var<double> term(double a, const Tensor<double>& y) {
    return sum(y * wave::constant(tape, a, y.shape()));
  }
};

template <class Layer>
Layer make_layer() {
  Random random(1);
  Layer layer(2, 2, random);
  wave::fill(layer.cell.input_weight, 1);
  wave::fill(layer.cell.recurrent_weight, 2);
  wave::fill(layer.cell.bias, 3);
  return layer;
}

/// Of PyTorch's second bias.
Eigen::VectorXd other_bias(Index size) { return wave::values(4, size); }

}  // namespace

TEST_CASE("rnn: values and gradients of PyTorch's") {
  Case at;
  auto layer = make_layer<nn::Rnn<double>>();
  layer.cell.bias.value() += other_bias(layer.cell.bias.size());
  const auto [y, h] = layer(at.x, at.lengths, at.h);
  at.tape.backward(at.term(8, y) + at.term(9, h));
  CHECK(y.shape() == Shape{2, 3, 2});
  CHECK(torch::close(y.value(), {-0.97333608485595569, -0.99458257480597712, -0.57577097400349808,
                                 -0.75565614916654844, 0.40821344523843006, -0.13327664294179015,
                                 -0.1662713105787893, -0.93991281196742205, -0.96013069306129406,
                                 -0.945386129607522, 0, 0}));
  CHECK(torch::close(h.value(), {0.40821344523843006, -0.13327664294179015, -0.96013069306129406,
                                 -0.945386129607522}));
  CHECK(torch::close(at.x.grad(), {0.030460264827803021, 0.019006452895520692, -0.32155050146988329,
                                   -0.39343887170675357, -1.5163261679642819, -0.3670450227298403,
                                   -0.25371367308767534, -0.23246324195908466,
                                   0.0012408547561853561, 0.0016197200862352835, 0, 0}));
  CHECK(torch::close(at.h.grad(), {0.028266448935503206, -0.012982163908560319,
                                   -0.29875885311900824, 0.05730615358538995}));
  CHECK(torch::close(layer.cell.input_weight.grad(), {-0.64856267497910769, -1.1019363718353727,
                                                      -0.67021029436846158, -0.78966144002097871}));
  CHECK(torch::close(
      layer.cell.recurrent_weight.grad(),
      {0.5310710525125717, 0.50664346795699333, 0.62134318581583814, 0.71382858686481299}));
  CHECK(torch::close(layer.cell.bias.grad(), {-1.383906476998378, -0.90289790201133335}));
}

TEST_CASE("lstm: values and gradients of PyTorch's") {
  Case at;
  auto layer = make_layer<nn::Lstm<double>>();
  layer.cell.bias.value() += other_bias(layer.cell.bias.size());
  const auto [y, state] = layer(at.x, at.lengths, nn::LstmState<double>{at.h, at.c});
  at.tape.backward(at.term(8, y) + at.term(9, state.h) + at.term(10, state.c));
  CHECK(y.shape() == Shape{2, 3, 2});
  CHECK(torch::close(y.value(), {0.1280801476127294, 0.22589940892899349, -0.085261947757941312,
                                 0.12404886003739235, -0.18228607235698921, -0.08015713158044227,
                                 -0.42243416887497842, -0.10363276211081185, 0.055960552873569706,
                                 0.0052599873960893998, 0, 0}));
  CHECK(torch::close(state.h.value(), {-0.18228607235698921, -0.08015713158044227,
                                       0.055960552873569706, 0.0052599873960893998}));
  CHECK(torch::close(state.c.value(), {-0.38425922665156442, -0.13636075915187215,
                                       0.057564718417383254, 0.0057172853319913293}));
  CHECK(torch::close(at.x.grad(), {0.018445632247791621, 0.10434242061850289, -0.072325217752222212,
                                   0.035620042438482311, 1.1604656150870356, 0.52769787702566129,
                                   -0.071483233897552206, -0.092099020682431712,
                                   -0.032217186603144411, -0.0063830807477835315, 0, 0}));
  CHECK(torch::close(at.h.grad(), {-0.11005153202501516, -0.026907038388834775,
                                   0.010243543395005402, -0.04983379582581015}));
  CHECK(torch::close(at.c.grad(), {0.057203462559777693, 0.081594380854125459, -0.03408820037324109,
                                   0.013910044190746079}));
  CHECK(torch::close(
      layer.cell.input_weight.grad(),
      {0.096473179072773724, 0.13171356808492971, -0.031741008805873716, -0.13729836961121328,
       -0.43157337041607274, -0.77059939226906771, 0.051302614251026654, 0.027319871876003099,
       0.057288295515424421, 0.11609508293160006, 0.0013231108322704528, -0.10583015541289509,
       -0.17915791617606708, -0.68710861922894961, -0.0018841312604079147, 0.041730226696863701}));
  CHECK(torch::close(
      layer.cell.recurrent_weight.grad(),
      {0.034367661935284316, -0.028017138078338104, -0.041510996469337293, -0.013262811647542828,
       0.016054049129736833, 0.11026536606566466, 0.024060510734878339, -0.0062261965692581942,
       0.080216262295468063, 0.012982796823732478, -0.0065760320792964538, 0.01885233198392423,
       0.033660293418927324, -0.052919588142243457, 0.038526987112048161, 0.012631899709524079}));
  CHECK(torch::close(
      layer.cell.bias.grad(),
      {0.10932216366497227, 0.13420789505172284, 0.066240446950568715, 0.00046774607999933854,
       -0.098793631793554354, -0.77375397147643354, 0.064441735697559926, 0.071792715849105057}));
}

TEST_CASE("gru: values and gradients of PyTorch's") {
  Case at;
  auto layer = make_layer<nn::Gru<double>>();
  wave::fill(layer.cell.recurrent_bias, 4);
  const auto [y, h] = layer(at.x, at.lengths, at.h);
  at.tape.backward(at.term(8, y) + at.term(9, h));
  CHECK(y.shape() == Shape{2, 3, 2});
  CHECK(torch::close(y.value(), {-0.2143519467749137, 0.63152122537742295, 0.17516050242033243,
                                 0.63672455874702072, 0.050610240389603087, 0.33830837441053729,
                                 -0.33354146201757612, -0.022444183934300976, -0.52228198618874988,
                                 0.4496515493563919, 0, 0}));
  CHECK(torch::close(h.value(), {0.050610240389603087, 0.33830837441053729, -0.52228198618874988,
                                 0.4496515493563919}));
  CHECK(torch::close(at.x.grad(), {-0.376718688681905, 0.72691797103235811, 0.25602198697387674,
                                   -0.15675040628286413, 0.58991421708438385, -0.77146029593033139,
                                   -0.24811887873508026, 0.07861452877354641,
                                   -0.0052824053792537035, 0.015059265301916546, 0, 0}));
  CHECK(torch::close(at.h.grad(), {0.044281410567637389, 0.027649466599343246, -0.12884317669330156,
                                   -0.042320577297128514}));
  CHECK(torch::close(
      layer.cell.input_weight.grad(),
      {-0.18848823362020559, -0.08603070546041551, -0.052755407377220766, -0.16930255182338985,
       -1.2106727264682262, -0.48647650754887384, -0.11172967296787276, -0.10510631915561858,
       0.020760185294573779, -0.17347870352037151, -0.66307815381424295, -0.78710196938084609}));
  CHECK(torch::close(
      layer.cell.recurrent_weight.grad(),
      {-0.052995953676688086, 0.00012466233646121977, -0.10639884038673428, 0.026006543603571144,
       -0.14637523578120049, 0.075591708180437811, 0.039394571903378993, -0.088467671147279436,
       -0.1485713016306193, -0.039308604786575788, -0.055688621271623107, -0.085902757900881671}));
  CHECK(torch::close(layer.cell.bias.grad(),
                     {0.11966088902689558, -0.14322605205923364, -0.17382362562667136,
                      -0.092709649218564838, 0.58182358083474806, -0.75129862941761383}));
  CHECK(torch::close(layer.cell.recurrent_bias.grad(),
                     {0.11966088902689559, -0.14322605205923364, -0.17382362562667136,
                      -0.092709649218564852, 0.029208329146583376, -0.19521885225256355}));
}
